"""Pairs of images: what is left to judge of the newest groups of copies, and what reviewers say without a page."""

import uuid
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hundredfold.chassis.alike import likely_same
from hundredfold.labels.answers import Asker, replayed
from hundredfold.labels.domain.event import Draft, EventKind, Judgement, Verdict
from hundredfold.labels.domain.likeness import Likeness
from hundredfold.labels.domain.page import Lease, Mask, Page, PageKind, Rows
from hundredfold.labels.ledger import Ledger
from hundredfold.labels.store.catalog import Alike
from hundredfold.labels.store.codec import body_digest


@dataclass(frozen=True, slots=True, eq=False)
class Said:
    """What a reviewer says of pairs.

    Attributes:
        judgements: of pairs, checked by `rules.judged`.
        kept: int64 [k]: images that are to stand for what they are the same as.
    """

    judgements: tuple[Judgement, ...]
    kept: Rows


class Pairing:
    """Leases and judges pairs. Safe for threads and replicas; the queue has no part in it.

    Args:
        ledger: of what is said, and leases.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def lease(
        self, collection: str, annotator: str, limit: int, ttl_seconds: float
    ) -> Lease | None:
        """Lease at most so many pairs, the likeliest copies first, as one page; None when none is left.

        What the annotator gave back comes again only when there is nothing else.
        """
        alike = self._ledger.catalog.alike(collection)
        with self._ledger.fold(collection):
            pass  # most of the catching up, before others are kept out
        with self._ledger.writing(collection) as work:
            with self._ledger.fold(collection, work) as fold:
                waiting = left_to_judge(alike, fold.likeness)
                probability = leaning(alike, fold.likeness)
            page = Page(
                page_id=f"pairs-{uuid.uuid4()}",
                kind=PageKind.PAIR,
                rows=alike.left,
                others=alike.right,
                probability=probability,
                own=True,
            ).only(waiting)
            page = page.only(~np.isin(page.cells, work.leased()))
            page = page.only(_first(limit, np.isin(page.cells, work.skipped(annotator))))
            return work.lease(page, annotator, ttl_seconds) if page.rows.size else None

    def judge(self, collection: str, asker: Asker, request_id: str, said: Said) -> int:
        """Write what is said of pairs; returns the seq.

        Raises:
            AlreadyExists: REQUEST_ID_REUSED.
        """
        asked = {"kind": "pairs", "actor": asker.name, "kept": said.kept.tolist()}
        draft = Draft(
            EventKind.PAIRS,
            asker.name,
            request_id,
            body_digest(asked, said.judgements),
            judgements=said.judgements,
            rows=said.kept,
        )
        with self._ledger.writing(collection) as work:
            before = replayed(work, request_id, draft.body)
            return before.seq if before else work.append(draft)


def _first(limit: int, skipped: Mask) -> Mask:
    """Of pairs [n] at most so many, the first ones, those that were skipped last: bool [n]."""
    chosen = np.zeros(len(skipped), np.bool_)
    chosen[np.argsort(skipped, kind="stable")[:limit]] = True
    return chosen


def left_to_judge(alike: Alike, likeness: Likeness) -> Mask:
    """Of which pairs nothing was said: bool [p]."""
    waiting: Mask = likeness.verdicts(alike.keys) == 0
    return waiting


def leaning(alike: Alike, likeness: Likeness) -> npt.NDArray[np.float32]:
    """The probability that each pair is the same picture, by what people said of others: float32 [p]."""
    verdicts = likeness.verdicts(alike.keys)
    sure = (verdicts == Verdict.IS) | (verdicts == Verdict.IS_NOT)
    return likely_same(alike.distance, alike.distance[sure], verdicts[sure] == Verdict.IS)
