"""Audits: what was drawn, what its outcome is, and what that proves."""

import enum
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
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
from hundredfold.labels.domain.fold import Fold
from hundredfold.labels.domain.page import Ids, Mask, Page, PageKind, Rows
from hundredfold.labels.domain.people import miss_rate, wrong_labels
from hundredfold.labels.domain.schema import Schema
from hundredfold.labels.domain.thresholds import Step

PAGE_IMAGES = 48
SCORE = 1e300
"""Of the pages of an audit: above all others."""


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
        sample: drawn of them.
        by_class: also bound each class by itself.
        find_threshold: find the lowest probability at which the labels are good enough.
        groups: the predicted classes.
        strata: within which the sample is a simple random one; more than one only with by_class.
        steps: with find_threshold the candidates, in the order they are tested.
        abandons: the audit that was open before, or "".
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
        }
        return cls(**{**document, **parts})


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """The sample of an audit.

    Attributes:
        rows: int64 [s], ascending.
        class_ids: int32 [s]: the class each would get.
        probabilities: float32 [s].
    """

    rows: Rows
    class_ids: Ids
    probabilities: npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What people said of a sample: bool [s] each."""

    answered: Mask
    wrong: Mask


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
        answered: of the sample.
        errors: of those.
        bound: on wrong labels among all images, or with find_threshold among those the model labels.
        threshold: the lowest probability that is labelled; 0 = all are.
        people_error: estimated share of wrong labels among those people gave.
        group_answered: of the sample of each group.
        group_errors: of those.
        group_bounds: on the share of errors among the images of each group that were not drawn.
    """

    answered: int
    errors: int
    bound: float
    threshold: float
    people_error: float
    group_answered: tuple[int, ...]
    group_errors: tuple[int, ...]
    group_bounds: tuple[float, ...]

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> "Proof":
        """What `asdict` made of one, from JSON."""
        fields: dict[str, Any] = dict(document)
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


def people_of(fold: Fold) -> People:
    """What is known of those who answer."""
    labels = fold.labelled_by_people()
    return People(miss_rate(fold.people.values()), wrong_labels(fold.people), labels)


def outcome(fold: Fold, schema: Schema, drawn: Drawn) -> Outcome:
    """What people said of a sample, read off the labels.

    Nobody had said anything of these images when they were drawn, so whatever is known of one by now
    answers for it, from whichever page or file it came. What a certificate says is no answer.
    """
    by_people = fold.by_people(drawn.rows)
    meant = schema.resolve(drawn.class_ids)
    agree = by_people & (_resolved(schema, fold.class_of(drawn.rows)) == meant)
    refused = fold.refused(drawn.rows, drawn.class_ids)
    refused |= fold.refused(drawn.rows, meant)
    answered = by_people | refused
    return Outcome(answered, answered & ~agree)


def prove(plan: Plan, drawn: Drawn, found: Outcome, people: People) -> Proof:
    """What the answers come to; bounds are 1 before all are answered."""
    groups = [_group(plan, each, drawn, found, people) for each in plan.groups]
    complete = bool(found.answered.all())
    bound, threshold = _bound(plan, drawn, found, people) if complete else (1.0, 0.0)
    return Proof(
        answered=int(found.answered.sum()),
        errors=int(found.wrong.sum()),
        bound=bound,
        threshold=threshold,
        people_error=people.error,
        group_answered=tuple(each[0] for each in groups),
        group_errors=tuple(each[1] for each in groups),
        group_bounds=tuple(each[2] for each in groups),
    )


def state_of(plan: Plan, proof: Proof) -> AuditState:
    """Where an audit stands that was neither abandoned nor certified."""
    if proof.answered < plan.sample:
        return AuditState.OPEN
    return AuditState.PASSED if proof.bound <= plan.allowed_error else AuditState.FAILED


def errors_to_leave(plan_total: int, allowed_error: float, labelled: int, people: People) -> int:
    """How many errors may stay outside of a sample, beside those that people made; negative for none."""
    return math.floor(allowed_error * plan_total - people.error * labelled + 1e-9)


def pages(plan: Plan, drawn: Drawn, wanted: Mask, schema: Schema) -> list[Page]:
    """The pages of a sample, by predicted class, the surest images first, with the images of a mask [s].

    An image is always on the page of the same id, so that those that were lost can be made again beside
    those that were not.
    """
    made = []
    for class_id in np.unique(drawn.class_ids).tolist():
        places = np.flatnonzero(drawn.class_ids == class_id)
        places = places[np.argsort(-drawn.probabilities[places], kind="stable")]
        for number, begin in enumerate(range(0, len(places), PAGE_IMAGES)):
            some = places[begin : begin + PAGE_IMAGES]
            some = some[wanted[some]]
            if not some.size:
                continue
            page = Page(
                page_id=f"audit-{plan.audit_id}-{class_id}-{number}",
                kind=PageKind.AUDIT,
                rows=drawn.rows[some],
                class_id=schema.in_use(class_id),
                probability=drawn.probabilities[some],
                model=plan.model,
                cluster=plan.cluster,
                score=SCORE,
                audit_id=plan.audit_id,
            )
            made.append(page)
    return made


def _bound(plan: Plan, drawn: Drawn, found: Outcome, people: People) -> tuple[float, float]:
    """The bound and the threshold when all are answered."""
    if plan.find_threshold:
        return _threshold_bound(plan, drawn, found, people)
    errors = as_found_by_all(int(found.wrong.sum()), plan.sample, people.miss_rate)
    if len(plan.strata) > 1:
        most = most_wrong_stratified(plan.strata, errors, plan.alpha)
    else:
        most = most_wrong(plan.population, plan.sample, errors, plan.alpha)
    # The sample has labels of people by now.
    by_people = people.error * (plan.total - plan.population + plan.sample)
    return min(1.0, (most - errors + by_people) / plan.total), 0.0


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
