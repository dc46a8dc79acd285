"""Pages and judgements as bytes: a JSON head, then the arrays as they are, compressed.

The form is canonical: equal content is equal bytes.
"""

import hashlib
import json
import struct
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from hundredfold.labels.domain.event import Draft, Judgement, Verdict
from hundredfold.labels.domain.page import NO_ROWS, Page, PageKind

_HEAD = struct.Struct("<I")
_LEVEL = 1
Arrays = Sequence[npt.NDArray[Any]]


def page_to_bytes(page: Page) -> bytes:
    """Write a page."""
    return _write(_page_head(page), _page_arrays(page))


def page_from_bytes(data: bytes) -> Page:
    """Read a page."""
    head, arrays = _read(data)
    return _page(head, arrays)


def content_to_bytes(draft: Draft) -> bytes:
    """Write what an event says: the page, the judgements, the seconds, the details and the rows."""
    head: dict[str, Any] = {
        "page": _page_head(draft.page) if draft.page else None,
        "said": [_judgement_head(each) for each in draft.judgements],
        "seconds": draft.seconds,
    }
    if draft.details:
        head["details"] = dict(draft.details)
    arrays = [*(_page_arrays(draft.page) if draft.page else ())]
    arrays += [np.concatenate([each.rows, each.others]) for each in draft.judgements]
    # As with the parts of a page: what was written before there was such stays as it is.
    if draft.rows.size:
        arrays.append(draft.rows)
    return _write(head, arrays)


def content_from_bytes(data: bytes) -> dict[str, Any]:
    """Read what an event says, as keyword arguments of `Event`."""
    head, arrays = _read(data)
    page = _page(head["page"], arrays[:3]) if head["page"] else None
    rest = arrays[3:] if page else arrays
    kinds = head["said"]
    said = tuple(_judgement(of, each) for of, each in zip(kinds, rest[: len(kinds)], strict=True))
    (rows,) = rest[len(kinds) :] or (NO_ROWS,)
    return {
        "page": page,
        "judgements": said,
        "seconds": head["seconds"],
        "details": head.get("details", {}),
        "rows": rows,
    }


def body_digest(parts: Mapping[str, Any], judgements: Sequence[Judgement] = ()) -> bytes:
    """The sha256 of what a caller asked, to tell a repeated request from another one."""
    said = [[each.class_id, int(each.verdict), len(each.rows)] for each in judgements]
    head = json.dumps([parts, said], sort_keys=True, separators=(",", ":"))
    digest = hashlib.sha256(head.encode())
    for each in judgements:
        digest.update(np.ascontiguousarray(each.rows, "<i8").tobytes())
        digest.update(np.ascontiguousarray(each.others, "<i8").tobytes())
    return digest.digest()


def _judgement_head(said: Judgement) -> list[int]:
    # Of pairs a third number: of how many. What was written before there were such stays as it is.
    pairs = [len(said.others)] if said.of_pairs else []
    return [said.class_id, int(said.verdict), *pairs]


def _judgement(head: Sequence[int], rows: npt.NDArray[Any]) -> Judgement:
    class_id, verdict, *pairs = head
    if not pairs:
        return Judgement(class_id, Verdict(verdict), rows)
    return Judgement(class_id, Verdict(verdict), rows[: pairs[0]], rows[pairs[0] :])


def _page_head(page: Page) -> dict[str, Any]:
    head: dict[str, Any] = {
        "page_id": page.page_id,
        "kind": int(page.kind),
        "class_id": page.class_id,
        "model": page.model,
        "cluster": page.cluster,
        "score": page.score,
    }
    # Only where there are any: pages that were written before there were such stay readable.
    if page.planted.size:
        head["planted"] = page.planted.tolist()
    if page.audit_id:
        head["audit_id"] = page.audit_id
    if page.several:
        head["several"] = True
    if page.own:
        head["own"] = True
    if page.others.size:
        head["others"] = page.others.tolist()
    return head


def _page_arrays(page: Page) -> Arrays:
    return page.rows, page.second, page.probability


def _page(head: Mapping[str, Any], arrays: Arrays) -> Page:
    rows, second, probability = arrays
    listed = {name: np.array(head.get(name, ()), np.int64) for name in ("planted", "others")}
    fields = {**head, "kind": PageKind(head["kind"]), **listed}
    return Page(rows=rows, second=second, probability=probability, **fields)


def _write(head: Mapping[str, Any], arrays: Arrays) -> bytes:
    wire = [np.ascontiguousarray(each, each.dtype.newbyteorder("<")) for each in arrays]
    listed = {**head, "arrays": [[each.dtype.str, len(each)] for each in wire]}
    text = json.dumps(listed, sort_keys=True, separators=(",", ":")).encode()
    return zlib.compress(
        b"".join([_HEAD.pack(len(text)), text, *(each.tobytes() for each in wire)]), _LEVEL
    )


def _read(data: bytes) -> tuple[dict[str, Any], list[npt.NDArray[Any]]]:
    raw = zlib.decompress(data)
    (size,) = _HEAD.unpack_from(raw)
    at = _HEAD.size + size
    head: dict[str, Any] = json.loads(raw[_HEAD.size : at])
    arrays = []
    for dtype, count in head.pop("arrays"):
        arrays.append(np.frombuffer(raw, np.dtype(dtype), count, at))
        at += arrays[-1].nbytes
    return head, arrays
