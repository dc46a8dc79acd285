"""What the client hands out: plain, frozen, free of gRPC and protobuf."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hundredfold.chassis.run_book import State
from hundredfold.client.review_types import Selection

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Run:
    """One piece of long work; `service` is where it is done. Times are unix seconds, 0 = not yet."""

    service: str
    run_id: str
    kind: str
    collection: str
    state: State
    done: int
    total: int
    unit: str
    message: str
    error: str
    parameters: Mapping[str, Any]
    result: Mapping[str, Any]
    created_at: float
    started_at: float
    finished_at: float


@dataclass(frozen=True)
class RunFile:
    """What a run has written: a name to save it under, bytes in all, how many files (more than one come as a zip)."""

    name: str
    bytes: int
    files: int


@dataclass(frozen=True)
class Collection:
    """A named set of images; `failed` of its `images` could not be decoded."""

    name: str
    images: int
    failed: int
    created_at: float


@dataclass(frozen=True)
class Image:
    """One image of a collection; `error` is empty when it can be used."""

    row: int
    uri: str
    key: str
    sha256: str
    width: int
    height: int
    format: str
    error: str
    source_label: str
    tags: tuple[str, ...]


@dataclass(frozen=True)
class LabelClass:
    """One class of a schema. `merged_into` is 0 while the class is in use; `examples` are rows that show it."""

    name: str
    class_id: int = 0
    key: str = ""
    color: str = ""
    parent_id: int = 0
    merged_into: int = 0
    guideline: str = ""
    examples: tuple[int, ...] = ()


@dataclass(frozen=True)
class Schema:
    """The classes of a collection; `several` = an image may be of several of them."""

    version: int
    classes: tuple[LabelClass, ...]
    several: bool = False

    @property
    def in_use(self) -> tuple[LabelClass, ...]:
        """Those that are not merged into another."""
        return tuple(each for each in self.classes if not each.merged_into)

    def by_name(self) -> dict[str, int]:
        """The id of each class in use."""
        return {each.name: each.class_id for each in self.in_use}


class PageKind(enum.StrEnum):
    """What a page asks."""

    CLUSTER = "CLUSTER"
    VERIFY = "VERIFY"
    SINGLE = "SINGLE"
    AUDIT = "AUDIT"
    REVIEW = "REVIEW"
    PICKED = "PICKED"


def _no_rows() -> Rows:
    return np.empty(0, np.int64)


@dataclass(frozen=True)
class Page:
    """Some images and one question.

    `rows` int64 [n], `second` int32 [n] (class ids) and `probability` float32 [n] may be empty.
    `planted` int64 [k] are odd images put there to see whether they are found: in events, never in a
    lease. `audit_id` is that of an AUDIT page; empty for the random stream.
    """

    page_id: str
    kind: PageKind
    rows: Rows
    class_id: int
    second: NDArray[np.int32]
    probability: NDArray[np.float32]
    model: str
    cluster: str
    score: float
    planted: Rows = field(default_factory=_no_rows)
    audit_id: str = ""


@dataclass(frozen=True)
class Lease:
    """The right to answer a page until `expires_at` (unix seconds)."""

    token: int
    page: Page
    annotator: str
    expires_at: float


class Verdict(enum.StrEnum):
    """What a person says about images and a class."""

    IS = "IS"
    IS_NOT = "IS_NOT"
    UNSURE = "UNSURE"


@dataclass(frozen=True)
class Judgement:
    """One verdict on some images of a page; `class_id` is 0 with UNSURE."""

    class_id: int
    verdict: Verdict
    rows: Rows


@dataclass(frozen=True)
class Event:
    """One event of the ledger; `images` were judged in it, `audit_id` is that of audits and certificates.

    `counts` is known of listed events alone: it was not taken back. An UNDO_MANY took `undone_events` back, those
    of `selection`. A FLAG is on `flagged_rows`; `comment` is plain text that a person wrote: never markup.
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
    flagged_rows: Rows = field(default_factory=_no_rows)


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
    negative_rows: Rows = field(default_factory=_no_rows)
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
    `images_labelled`, of which every class is known, count images there as everywhere.
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


@dataclass(frozen=True)
class BackboneRound:
    """One attempt at a better space, measured on `images` that were held out.

    `reason` says why it was not promoted; `seconds` are the machine's.
    """

    before: str
    after: str
    labels_seq: int
    labels: int
    accuracy_before: float
    accuracy_after: float
    purity_before: float
    purity_after: float
    images: int
    promoted: bool
    reason: str
    seconds: float
    ended_at: float


@dataclass(frozen=True)
class Loop:
    """The loop of a collection.

    `phase` is PREPARING, SEED, VERIFY, LEFTOVERS, AUDIT or DONE; `backbone_step` IDLE, TRAINING,
    EMBEDDING or CLUSTERING. `target_accuracy` 0 = no target; `proved_accuracy` 0 = nothing proved yet;
    `measured_accuracy` is that of the head on `measured_images` of the random stream, 0 = too few.
    """

    collection: str
    phase: str
    space: str
    clusters: str
    duplicates: str
    expected_classes: int
    model: str
    seen_seq: int
    total: int
    labelled: int
    rounds: int
    expected_accuracy: float
    trouble: str
    policy: str
    target_accuracy: float
    confidence: float
    proved_accuracy: float
    audit_id: str
    backbone_step: str
    backbone_rounds: tuple[BackboneRound, ...]
    measured_accuracy: float
    measured_images: int
    without: tuple[str, ...]
    page_size: int = 0
    auto_label: bool = False


@dataclass(frozen=True)
class Forecast:
    """What is left until a target: human seconds and pages with their 80 % intervals, images to look at.

    `audit_seconds` are part of `seconds`; `ready` = an audit is expected to prove the target now.
    """

    expected_accuracy: float
    seconds: float
    pages: int
    images: int
    seconds_low: float
    seconds_high: float
    pages_low: int
    pages_high: int
    audit_seconds: float
    ready: bool


@dataclass(frozen=True)
class Predictions:
    """What a head says: rows int64 [n], class_ids int32 [n], probabilities float32 [n].

    Where an image may be of several classes rows repeat, one for each that is likely enough to be kept, and
    `second_class_ids` is empty.
    """

    model: str
    rows: Rows
    class_ids: NDArray[np.int32]
    second_class_ids: NDArray[np.int32]
    probabilities: NDArray[np.float32]


@dataclass(frozen=True)
class Head:
    """A classifier on the vectors of one space."""

    model: str
    space: str
    labels_seq: int
    labels: int
    class_ids: tuple[int, ...]
    temperature: float
    expected_error: float
    accuracy: float
    calibration_error: float
    created_at: float
    promoted: bool
    seconds: float


@dataclass(frozen=True)
class SpaceQuality:
    """What a space is worth on images held out: accuracy of a head, purity of clusters."""

    space: str
    accuracy: float
    purity: float


@dataclass(frozen=True)
class SpaceComparison:
    """Which of two spaces is better, by a sign-flip test on `images` that were held out."""

    before: SpaceQuality
    after: SpaceQuality
    images: int
    p_value: float
    better: bool


@dataclass(frozen=True)
class Suspicious:
    """Labels of people that look wrong, likeliest first, out of `labels` looked at.

    `rows` int64 [n], `class_ids` int32 [n] (the label), `other_class_ids` int32 [n],
    `probabilities` float32 [n] that the label is wrong.
    """

    rows: Rows
    class_ids: NDArray[np.int32]
    other_class_ids: NDArray[np.int32]
    probabilities: NDArray[np.float32]
    labels: int


@dataclass(frozen=True)
class Found:
    """What a search found: rows int64 [q, limit], -1 = no more; similarities float32 [q, limit]."""

    rows: NDArray[np.int64]
    similarities: NDArray[np.float32]


@dataclass(frozen=True)
class DuplicateGroup:
    """A representative, its copies int64 [n] and their distances uint8 [n] in bits."""

    representative: int
    copies: Rows
    distances: NDArray[np.uint8]


@dataclass(frozen=True)
class DuplicateGroups:
    """Groups of two and more, largest first, and how many there are in all."""

    duplicates: str
    groups: tuple[DuplicateGroup, ...]
    group_count: int
    copy_count: int


@dataclass(frozen=True)
class Cluster:
    """One cluster: `medoid` is the row nearest to its centre."""

    number: int
    size: int
    medoid: int
    spread: float


@dataclass(frozen=True)
class Assignment:
    """In which cluster of a clustering `run` each image is: rows int64 [n], numbers int32 [n]."""

    run: str
    rows: Rows
    numbers: NDArray[np.int32]


@dataclass(frozen=True)
class Map:
    """The 2-D map: rows int64 [n], points float32 [n, 2] within -1 to 1."""

    rows: Rows
    points: NDArray[np.float32]


@dataclass(frozen=True)
class Model:
    """A backbone, `name@version`."""

    model: str
    dimensions: int
    input_pixels: int
    source: str
    ready: bool
