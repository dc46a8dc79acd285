"""Labels, what the ledger holds, audits, and how far the work is."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from hundredfold.client.types.pages import Judgement, Lease, Page, Rows, no_rows
from hundredfold.client.types.review import Selection


@dataclass(frozen=True)
class Event:
    """One event of the ledger; `images` were judged in it, `audit_id` is that of audits and certificates.

    `counts` is known of listed events alone: it was not taken back. An UNDO_MANY took `undone_events` back, those
    of `selection`. A FLAG is on `flagged_rows`; `comment` is plain text that a person wrote: never markup.
    In PAIRS so many `pairs` were judged, and `kept_rows` chosen to stand for what they are the same as.
    """

    seq: int
    kind: str
    actor: str
    created_at: float
    page: Page | None
    judgements: tuple[Judgement, ...]
    seconds: float
    undone_seq: int
    request_id: str
    images: int = 0
    audit_id: str = ""
    counts: bool = False
    undone_events: int = 0
    selection: Selection | None = None
    comment: str = ""
    flagged_rows: Rows = field(default_factory=no_rows)
    pairs: int = 0
    kept_rows: Rows = field(default_factory=no_rows)


@dataclass(frozen=True)
class Taken:
    """What became of an answer: its event, and the images it says nothing of as others had them, int64 [k]."""

    seq: int
    left_out: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))


@dataclass(frozen=True)
class Undone:
    """What an undo did: the event that no longer counts, and its page again if asked for."""

    seq: int
    event: Event
    lease: Lease | None


MODEL_ORIGIN = 127
"""The origin of a label that a model gave under a certificate: no truth to learn from."""


@dataclass(frozen=True)
class Labels:
    """The labels that count, all of one seq: rows int64 [n], class_ids int32 [n], seqs int64 [n].

    `origins` uint8 [n] is how each came about: the number of the page kind, 0 for an import,
    MODEL_ORIGIN for a model. `audit_rows` int64 [a] wait for an answer of an open audit.
    `negative_rows` int64 [m] are not of `negative_class_ids` int32 [m]. Where an image may be of several
    classes rows repeat in both, and `negative_origins` uint8 [m] is how each of these came about; else empty.
    """

    seq: int
    rows: Rows
    class_ids: NDArray[np.int32]
    seqs: NDArray[np.int64]
    origins: NDArray[np.uint8]
    audit_rows: Rows
    negative_rows: Rows = field(default_factory=no_rows)
    negative_class_ids: NDArray[np.int32] = field(default_factory=lambda: np.empty(0, np.int32))
    negative_origins: NDArray[np.uint8] = field(default_factory=lambda: np.empty(0, np.uint8))

    @property
    def by_people(self) -> NDArray[np.bool_]:
        """Which of them people gave: bool [n]."""
        return np.asarray(self.origins != MODEL_ORIGIN, np.bool_)

    @property
    def counts(self) -> tuple[int, int]:
        """How many people gave, and how many a model; no's among them where an image may be of several classes."""
        origins = np.concatenate([self.origins, self.negative_origins])
        by_model = int((origins == MODEL_ORIGIN).sum())
        return len(origins) - by_model, by_model


@dataclass(frozen=True)
class AuditGroup:
    """The images of one predicted class in an audit; `bound` is on the share of wrong ones."""

    class_id: int
    population: int
    sample: int
    answered: int
    errors: int
    bound: float


@dataclass(frozen=True)
class Audit:
    """A random audit of what a model would label.

    `state` is OPEN, PASSED, FAILED, CERTIFIED or ABANDONED. `bound` is the upper bound on the share of
    wrong labels among all images, `allowed_error` the largest that the certificate takes,
    `people_error` the estimated share of wrong ones among people's labels. `sample` counts the images of
    the stages begun so far, `most_sample` those of all. Where an image may be of several classes it is of the yes
    and no of `class_id` alone.
    """

    audit_id: str
    collection: str
    model: str
    cluster: str
    state: str
    allowed_error: float
    confidence: float
    look: int
    alpha: float
    total: int
    population: int
    sample: int
    answered: int
    errors: int
    bound: float
    groups: tuple[AuditGroup, ...]
    threshold: float
    seq: int
    certificate_seq: int
    people_error: float
    most_sample: int = 0
    class_id: int = 0

    @property
    def cluster_class(self) -> int:
        """The class that all of a cluster would be; 0 where an audit is not of a cluster."""
        return self.groups[0].class_id if self.cluster and self.groups else 0


@dataclass(frozen=True)
class Certificate:
    """An audit's proof as event `seq` of the ledger; the model labelled so many images under it."""

    seq: int
    labelled: int
    audit: Audit


@dataclass(frozen=True)
class Annotator:
    """One who answers pages: his pace, and the share of odd images he misses with its 90 % interval."""

    name: str
    decisions: int
    images: int
    seconds: float
    planted: int
    found: int
    miss_rate: float
    miss_rate_low: float
    miss_rate_high: float


@dataclass(frozen=True)
class Progress:
    """How far the work is: `total = labelled + unsure + leased + ready + pool`.

    Where an image may be of several classes these count pairs of an image and a class; `images` and
    `images_labelled`, of which every class is known, count images there as everywhere. Pairs of images that people
    judged, or are to judge, and the seconds spent on them count apart.
    """

    total: int
    labelled: int
    unsure: int
    leased: int
    ready: int
    pool: int
    ready_pages: int
    head_seq: int
    decisions: int
    labels_per_minute: float
    labelled_with_copies: int
    human_seconds: float
    labels_by_class: Mapping[int, int] = field(default_factory=dict)
    images: int = 0
    images_labelled: int = 0
    pairs_judged: int = 0
    pairs_open: int = 0
    pair_seconds: float = 0.0
