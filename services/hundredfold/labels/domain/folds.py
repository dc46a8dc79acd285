"""What is asked of a fold, of whichever kind it is."""

import numpy as np

from hundredfold.labels.domain import asking, pair_asking
from hundredfold.labels.domain import progress as counting
from hundredfold.labels.domain.class_view import ClassView
from hundredfold.labels.domain.copies import Copies
from hundredfold.labels.domain.fold import Fold
from hundredfold.labels.domain.page import Mask, Page, PageKind
from hundredfold.labels.domain.pair_fold import PairFold
from hundredfold.labels.domain.progress import Outside, Progress
from hundredfold.labels.domain.schema import Schema
from hundredfold.labels.domain.state import FoldState, PairState

AnyFold = Fold | PairFold


def empty(schema: Schema, copies: Copies | None) -> AnyFold:
    """A fold before the first event."""
    return PairFold(copies, schema) if schema.several else Fold(copies, schema.divided)


def fits(state: FoldState, schema: Schema) -> bool:
    """Whether a state is of the kind that the schema asks for: one before the first class may not be."""
    return schema.several == isinstance(state, PairState)


def taken_up(state: FoldState, schema: Schema, copies: Copies | None) -> AnyFold:
    """The fold that had a state."""
    if isinstance(state, PairState):
        return PairFold.of(state, copies, schema)
    return Fold.of(state, copies, schema.divided)


def audited(fold: AnyFold, class_id: int, schema: Schema) -> Fold | ClassView:
    """The labels that an audit is about: of all images, or of one class where they may be of several."""
    if isinstance(fold, PairFold):
        return ClassView(fold, schema.in_use(class_id))
    return fold


def still_open(fold: AnyFold, page: Page, schema: Schema, audit_id: str) -> Mask:
    """Which images, or pairs, of a page are still to be shown: bool [n]; see `asking`."""
    if page.kind is PageKind.PAIR:
        return fold.likeness.still_open(page)
    if page.several != isinstance(fold, PairFold):
        # It was put into the queue before the schema said which kind of collection it is.
        return np.zeros(len(page.rows), np.bool_)
    if isinstance(fold, PairFold):
        return pair_asking.still_open(fold, page, schema, audit_id)
    return asking.still_open(fold, page, schema, audit_id)


def pickable(fold: AnyFold, page: Page, schema: Schema, *, relabel: bool) -> Mask:
    """Which images of a page somebody may pick: bool [n]; with `relabel` those with the label of its class.

    Of pairs those of which nothing was said.
    """
    if page.kind is PageKind.PAIR:
        return fold.likeness.still_open(page)
    if isinstance(fold, PairFold):
        return pair_asking.pickable(fold, page, schema, relabel=relabel)
    return asking.pickable(fold, page, schema, relabel=relabel)


def open_again(fold: AnyFold, page: Page, schema: Schema, seq: int) -> Mask:
    """Which images, or pairs, of a page can be shown again when its event is taken back: bool [n]."""
    if page.kind is PageKind.PAIR:
        return fold.likeness.open_again(page, seq)
    if isinstance(fold, PairFold):
        return pair_asking.open_again(fold, page, schema, seq)
    return asking.open_again(fold, page, schema, seq)


def progress(fold: AnyFold, outside: Outside, schema: Schema, now: float) -> Progress:
    """How far the work is."""
    if isinstance(fold, PairFold):
        return counting.of_pairs(fold, outside, schema, now)
    return counting.progress(fold, outside, schema, now)
