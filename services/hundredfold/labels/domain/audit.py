"""Audits: what was drawn, what its outcome is, and what that proves."""

import enum
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from hundredfold.labels.domain import thresholds
from hundredfold.labels.domain.bounds import (
    Stratum,
    as_found_by_all,
    most_wrong,
    most_wrong_stratified,
)
from hundredfold.labels.domain.class_view import ClassView
from hundredfold.labels.domain.fold import Fold
from hundredfold.labels.domain.page import NO_ROWS, Ids, Mask, Rows
from hundredfold.labels.domain.people import miss_rate, wrong_labels
from hundredfold.labels.domain.schema import Schema
from hundredfold.labels.domain.thresholds import Step

_MOST_REFUSED = 0.5  # of a sample, so that what is put right later counts


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


def people_of(fold: Fold | ClassView) -> People:
    """What is known of those who answer."""
    wrong = wrong_labels(fold.people) + fold.contradictions
    return People(miss_rate(fold.people.values()), wrong, fold.answers())


def outcome(fold: Fold | ClassView, schema: Schema, drawn: Drawn) -> Outcome:
    """What people said of a sample, read off the labels.

    Nobody had said anything of these images when they were drawn, so whatever is known of one by now
    answers for it, from whichever page or file it came. What a certificate says is no answer.
    """
    by_people = fold.by_people(drawn.rows)
    meant = _resolved(schema, drawn.class_ids)
    agree = by_people & (_resolved(schema, fold.class_of(drawn.rows)) == meant)
    refused = fold.refused(drawn.rows, drawn.class_ids)
    refused |= fold.refused(drawn.rows, meant)
    answered = by_people | refused
    return Outcome(answered, answered & ~agree)


def mended(fold: Fold | ClassView, schema: Schema, rows: Rows, class_ids: Ids) -> Mended:
    """What people said of a population: images [m] and the class that each would get."""
    labelled = fold.by_people(rows)
    rows, class_ids = rows[labelled], class_ids[labelled]
    other = _resolved(schema, fold.class_of(rows)) != _resolved(schema, class_ids)
    return Mended(len(rows), int(other.sum()))


def prove(plan: Plan, drawn: Drawn, found: Outcome, people: People, mended: Mended) -> Proof:
    """What the answers come to.

    The bound is that of the last stage of which all are answered, 1 before there is one. The stages are gone
    through from the first each time, up to one that passes, so that an answer that is taken back opens
    its own stage again. What a sample says of how many were wrong when it was drawn stays true; so every image
    that people put right since, whether in the sample or not, is one less. Not so where they refuse most of
    the sample: then either the head or they do not know the classes, and what they say now proves nothing.
    """
    groups = [_group(plan, each, drawn, found, people) for each in plan.groups]
    bound, threshold, ended, size = 1.0, 0.0, False, 0
    for size in plan.sizes:
        if not found.answered[drawn.first(size)].all():
            break
        if plan.find_threshold:
            bound, threshold = _threshold_bound(plan, drawn, found, people)
            break
        wrong = int(found.wrong[drawn.first(size)].sum())
        if wrong > _MOST_REFUSED * size:
            mended, once_put_right = Mended(), Mended()
        else:
            once_put_right = Mended(max(mended.labelled, size), max(mended.put_right, wrong))
        bound = _whole_bound(plan, wrong, people, size, mended)
        soon = _whole_bound(plan, wrong, people, size, once_put_right)
        ended = soon <= plan.allowed_error or not _may_pass(plan, wrong, people, size)
        if ended:
            break
    begun = drawn.first(size)
    return Proof(
        answered=int(found.answered[begun].sum()),
        errors=int(found.wrong[begun].sum()),
        bound=bound,
        threshold=threshold,
        people_error=people.error,
        group_answered=tuple(each[0] for each in groups),
        group_errors=tuple(each[1] for each in groups),
        group_bounds=tuple(each[2] for each in groups),
        sample=size,
        ended=ended,
    )


def state_of(plan: Plan, proof: Proof) -> AuditState:
    """Where an audit stands that was neither abandoned nor certified."""
    if proof.answered < proof.sample:
        return AuditState.OPEN
    if proof.bound <= plan.allowed_error:
        return AuditState.PASSED
    last = proof.sample == plan.sample or proof.ended
    return AuditState.FAILED if last else AuditState.OPEN


def errors_to_leave(plan_total: int, allowed_error: float, labelled: int, people: People) -> int:
    """How many errors may stay outside of a sample, beside those that people made; negative for none."""
    return math.floor(allowed_error * plan_total - people.error * labelled + 1e-9)


def _whole_bound(plan: Plan, wrong: int, people: People, size: int, mended: Mended) -> float:
    """The bound when so many of the first `size` of a sample are wrong."""
    errors = as_found_by_all(wrong, size, people.miss_rate)
    if len(plan.strata) > 1:
        most = most_wrong_stratified(plan.strata, errors, plan.alpha)
    else:
        most = most_wrong(plan.population, size, errors, plan.level or plan.alpha)
    unlabelled = plan.population + plan.refused - mended.labelled
    by_model = max(0, most + plan.refused - mended.put_right)
    return min(1.0, (by_model + people.error * (plan.total - unlabelled)) / plan.total)


def _may_pass(plan: Plan, wrong: int, people: People, size: int) -> bool:
    """Whether a later stage passes with a little luck: when a standard deviation fewer are wrong than so far.

    To stop early for want of hope makes no certificate less sure.
    """
    for later in (each for each in plan.sizes if each > size):
        more = wrong / size * (later - size)
        few = math.floor(wrong + max(0.0, more - math.sqrt(more * later / size)))
        bound = _whole_bound(plan, few, people, later, Mended(later, few))
        if bound <= plan.allowed_error:
            return True
    return False


def _threshold_bound(
    plan: Plan, drawn: Drawn, found: Outcome, people: People
) -> tuple[float, float]:
    wrong = [int(np.sum(found.wrong & (drawn.probabilities >= s.threshold))) for s in plan.steps]
    passed, bound = thresholds.passed(
        plan.steps, wrong, plan.allowed_error, plan.alpha, people.miss_rate
    )
    return bound, plan.steps[max(0, passed - 1)].threshold


def _group(
    plan: Plan, group: Group, drawn: Drawn, found: Outcome, people: People
) -> tuple[int, int, float]:
    inside = drawn.class_ids == group.class_id
    answered, wrong = int(found.answered[inside].sum()), int(found.wrong[inside].sum())
    if answered < group.sample:
        return answered, wrong, 1.0
    alpha = plan.alpha / len(plan.groups)
    part = Stratum(group.population, group.sample)
    return answered, wrong, thresholds.rest_share(part, wrong, alpha, people.miss_rate)


def _resolved(schema: Schema, class_ids: Ids) -> Ids:
    """The classes in use; what is no class stays."""
    result = class_ids.copy()
    named = class_ids > 0
    result[named] = schema.resolve(class_ids[named])
    return result


def groups_of(class_ids: Ids, drawn: Ids) -> tuple[Group, ...]:
    """The predicted classes of a population [m] and of its sample [s]."""
    classes, counts = np.unique(class_ids, return_counts=True)
    sampled = [int(np.sum(drawn == each)) for each in classes]
    return tuple(map(Group, classes.tolist(), counts.tolist(), sampled))


def certified(audit: Audit, proof: Proof, seq: int) -> Audit:
    """An audit whose certificate counts, as it was when that was written."""
    return replace(audit, state=AuditState.CERTIFIED, proof=proof, certificate_seq=seq)
