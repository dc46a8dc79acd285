"""The loop, the networks it has trained, and what it expects."""

from dataclasses import dataclass


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
