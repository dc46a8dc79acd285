"""Audits: what was drawn, what people said of it, and what that comes to."""

import enum
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from hundredfold.labels.domain.bounds import Stratum
from hundredfold.labels.domain.page import NO_ROWS, Ids, Mask, Rows
from hundredfold.labels.domain.thresholds import Step


class AuditState(enum.IntEnum):
    """Where an audit stands; the numbers are those of the API."""

    OPEN = 1
    PASSED = 2
    FAILED = 3
    CERTIFIED = 4
    ABANDONED = 5


@dataclass(frozen=True, slots=True)
class Group:
    """A predicted class: images of it in the population, and of them drawn."""

    class_id: int
    population: int
    sample: int


@dataclass(frozen=True, slots=True)
class Plan:
    """An audit as it was drawn; what the AUDIT event holds.

    Attributes:
        audit_id: unique in the collection.
        model: the head audited, or "".
        cluster: `run/number`, or "".
        allowed_error: share of wrong labels.
        confidence: of all looks together.
        look: from 1.
        alpha: the probability of error that this look spends.
        total: images to label, labelled ones counted.
        population: images nobody had labelled.
        sample: drawn of them, all stages together.
        by_class: also bound each class by itself.
        find_threshold: find the lowest probability at which the labels are good enough.
        groups: the predicted classes.
        strata: within which the sample is a simple random one; more than one only with by_class.
        steps: with find_threshold the candidates, in the order they are tested.
        abandons: the audit that was open before, or "".
        stages: images of the sample looked at after each stage; none = there is only one.
        level: the nominal probability of error of each stage; 0 = alpha.
        class_id: where an image may be of several classes the one audited; else 0.
        refused: images nobody had labelled beside those of the population, whose guess people had refused: each is
            wrong until it has a label.
    """

    audit_id: str
    model: str
    cluster: str
    allowed_error: float
    confidence: float
    look: int
    alpha: float
    total: int
    population: int
    sample: int
    by_class: bool
    find_threshold: bool
    groups: tuple[Group, ...]
    strata: tuple[Stratum, ...]
    steps: tuple[Step, ...]
    abandons: str = ""
    stages: tuple[int, ...] = ()
    level: float = 0.0
    class_id: int = 0
    refused: int = 0

    @property
    def sizes(self) -> tuple[int, ...]:
        """Images of the sample looked at after each stage."""
        return self.stages or (self.sample,)

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> "Plan":
        """What `document` wrote."""
        steps = (Step(each["threshold"], Stratum(**each["drawn"])) for each in document["steps"])
        parts = {
            "groups": tuple(Group(**each) for each in document["groups"]),
            "strata": tuple(Stratum(**each) for each in document["strata"]),
            "steps": tuple(steps),
            "stages": tuple(document.get("stages", ())),
        }
        return cls(**{**document, **parts})


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """The sample of an audit.

    Attributes:
        rows: int64 [s], ascending.
        class_ids: int32 [s]: the class each would get.
        probabilities: float32 [s].
        turns: int64 [s]: when each was drawn, from 0; empty where the order does not matter.
    """

    rows: Rows
    class_ids: Ids
    probabilities: npt.NDArray[np.float32]
    turns: Rows = field(default_factory=lambda: NO_ROWS)

    def between(self, begin: int, end: int) -> Mask:
        """Which of the sample were drawn as number `begin` to `end` - 1: bool [s]."""
        turns = self.turns if self.turns.size else np.arange(len(self.rows))
        inside: Mask = (turns >= begin) & (turns < end)
        return inside

    def first(self, count: int) -> Mask:
        """Which of the sample were drawn first: bool [s]."""
        return self.between(0, count)


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What people said of a sample: bool [s] each."""

    answered: Mask
    wrong: Mask


@dataclass(frozen=True, slots=True)
class Mended:
    """What people said, since it was drawn, of the images that nobody had labelled: population and refused.

    Attributes:
        labelled: images that they gave a label.
        put_right: of those, images that the model would have given another one.
    """

    labelled: int = 0
    put_right: int = 0


@dataclass(frozen=True, slots=True)
class People:
    """What is known of those who answer.

    Attributes:
        miss_rate: share of odd images that they overlook.
        wrong: about how many of the labels they gave are wrong.
        labels: how many they gave.
    """

    miss_rate: float
    wrong: float
    labels: int

    @property
    def error(self) -> float:
        """Estimated share of wrong labels among those they gave."""
        return min(1.0, self.wrong / self.labels) if self.labels else 0.0


@dataclass(frozen=True, slots=True)
class Proof:
    """What an audit comes to; what the CERTIFICATE event holds.

    Attributes:
        answered: of the sample, the stages begun so far.
        errors: of those.
        bound: on wrong labels among all images, or with find_threshold among those the model labels.
        threshold: the lowest probability that is labelled; 0 = all are.
        people_error: estimated share of wrong labels among those people gave.
        group_answered: of the sample of each group.
        group_errors: of those.
        group_bounds: on the share of errors among the images of each group that were not drawn.
        sample: images of the stages begun so far; 0 = all, in certificates of before there were stages.
        ended: no later stage is looked at, since this one passes once what it found is put right, or none could.
    """

    answered: int
    errors: int
    bound: float
    threshold: float
    people_error: float
    group_answered: tuple[int, ...]
    group_errors: tuple[int, ...]
    group_bounds: tuple[float, ...]
    sample: int = 0
    ended: bool = False

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> "Proof":
        """What `asdict` made of one, from JSON."""
        fields: dict[str, Any] = dict(document)
        if "hopeless" in fields:  # the name of `ended` in the first certificates with stages
            fields["ended"] = fields.pop("hopeless")
        for name in ("group_answered", "group_errors", "group_bounds"):
            fields[name] = tuple(fields[name])
        return cls(**fields)


@dataclass(frozen=True, slots=True)
class Audit:
    """An audit as it is now; `certificate_seq` is 0 before there is one."""

    plan: Plan
    state: AuditState
    proof: Proof
    seq: int
    certificate_seq: int = 0


def groups_of(class_ids: Ids, drawn: Ids) -> tuple[Group, ...]:
    """The predicted classes of a population [m] and of its sample [s]."""
    classes, counts = np.unique(class_ids, return_counts=True)
    sampled = [int(np.sum(drawn == each)) for each in classes]
    return tuple(map(Group, classes.tolist(), counts.tolist(), sampled))


def certified(audit: Audit, proof: Proof, seq: int) -> Audit:
    """An audit whose certificate counts, as it was when that was written."""
    return replace(audit, state=AuditState.CERTIFIED, proof=proof, certificate_seq=seq)
