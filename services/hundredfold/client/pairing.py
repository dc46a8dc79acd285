"""What of the labels service is about pairs of images: whether two show the same picture."""

import uuid
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hundredfold.api.labels.v1 import labels_pb2
from hundredfold.chassis.tensors import pack, unpack
from hundredfold.client import page_wire
from hundredfold.client.reviewing import ReviewingClient
from hundredfold.client.types import Judgement, Lease, Pairs, Verdict

_VERDICTS = {1: Verdict.IS, 2: Verdict.IS_NOT, 3: Verdict.UNSURE}


class PairingClient(ReviewingClient):
    """Those calls of the labels service."""

    def lease_pairs(
        self, collection: str, annotator: str = "", *, limit: int = 0, ttl_seconds: int = 0
    ) -> Lease | None:
        """Lease pairs that the newest groups of copies leave to a person as one PAIR page; None when none is left.

        Answer with `submit`, a judgement with `others` each.
        """
        request = labels_pb2.LeasePairsRequest(
            collection=collection, annotator=annotator, limit=limit, ttl_seconds=ttl_seconds
        )
        answer = self._stub.LeasePairs(request)
        return page_wire.lease(answer.lease) if answer.HasField("lease") else None

    def judge_pairs(
        self,
        collection: str,
        annotator: str,
        judgements: Sequence[Judgement],
        *,
        kept_rows: Sequence[int] | NDArray[np.int64] = (),
        request_id: str = "",
    ) -> int:
        """Say of pairs of images what they are, without a page; returns the seq. It takes the role reviewer.

        Args:
            collection: of which.
            annotator: who says so.
            judgements: of pairs: `class_id` 0, `others` the right images.
            kept_rows: images that are to stand for what they are the same as.
            request_id: give one of your own to be able to send the same again.

        Raises:
            InvalidArgument: an image that is not in the collection, or a pair that is judged twice.
        """
        kept = np.asarray(kept_rows, np.int64)
        request = labels_pb2.JudgePairsRequest(
            collection=collection,
            annotator=annotator,
            request_id=request_id or str(uuid.uuid4()),
            judgements=map(page_wire.judgement_message, judgements),
            kept_rows=pack(kept) if kept.size else None,
        )
        return self._stub.JudgePairs(request).seq

    def pairs(self, collection: str) -> Pairs:
        """What people say of pairs of images."""
        request = labels_pb2.GetPairsRequest(collection=collection)
        answers = list(self._stub.GetPairs(request, timeout=60))
        numbers = _joined(answers, "verdicts", np.uint8)
        return Pairs(
            seq=answers[-1].seq if answers else 0,
            rows=_joined(answers, "rows", np.int64),
            others=_joined(answers, "others", np.int64),
            verdicts=tuple(_VERDICTS[number] for number in numbers.tolist()),
            seqs=_joined(answers, "seqs", np.int64),
            kept_rows=_joined(answers, "kept_rows", np.int64),
        )


def _joined(
    answers: list[labels_pb2.GetPairsResponse], field: Any, dtype: type[np.generic]
) -> NDArray[Any]:
    pieces = [
        unpack(getattr(answer, field), dtype=dtype, ndim=1, field=field) for answer in answers
    ]
    return np.concatenate([np.empty(0, dtype), *pieces])
