"""What the client hands out of undoing much and of flags: plain, frozen, free of gRPC and protobuf."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Selection:
    """Which events: either `seqs`, or all that count and meet every criterion that is set.

    Attributes:
        seqs: these, at most 10,000 decisions, imports, certificates and judgements of pairs.
        actor: of this one.
        since: from this moment on, Unix seconds.
        until: before this moment, Unix seconds.
        kinds: of these: DECISION, IMPORT, CERTIFICATE, PAIRS; empty = all four.
        head_seq: up to this event: that of a preview, so that just what it said is undone.
    """

    seqs: Sequence[int] = ()
    actor: str = ""
    since: float = 0.0
    until: float = 0.0
    kinds: Sequence[str] = ()
    head_seq: int = 0


@dataclass(frozen=True)
class UndoPreview:
    """What taking a selection back would do; `labels_gone` and `labels_back` are by class.

    `images` were judged in `events`; the image of a label that goes has none then, or one of `labels_back`.
    Negatives are pairs of an image and a class that it is known not to be of; `pairs_gone` and `pairs_back`
    are pairs of images of which what people say goes, or comes back.
    """

    head_seq: int
    events: int
    images: int
    labels_gone: Mapping[int, int]
    labels_back: Mapping[int, int]
    negatives_gone: int
    negatives_back: int
    unsure_gone: int
    unsure_back: int
    pairs_gone: int = 0
    pairs_back: int = 0


@dataclass(frozen=True)
class UndoneMany:
    """One event took `events` back; `undo(seq=seq)` takes it back itself."""

    seq: int
    events: int
    replayed: bool


@dataclass(frozen=True)
class Flag:
    """A note for a reviewer on images, rows int64 [n]; `resolved_seq` is 0 while it is open.

    `comment` and `answer` are plain text that people wrote: never markup.
    """

    seq: int
    actor: str
    created_at: float
    rows: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    comment: str = ""
    resolved_seq: int = 0
    resolved_by: str = ""
    resolved_at: float = 0.0
    answer: str = ""
