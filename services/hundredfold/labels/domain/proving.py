"""What the answers to an audit prove: the outcome read off the labels, the bound, and where the audit stands."""

import math

import numpy as np

from hundredfold.labels.domain import thresholds
from hundredfold.labels.domain.audit import (
    AuditState,
    Drawn,
    Group,
    Mended,
    Outcome,
    People,
    Plan,
    Proof,
)
from hundredfold.labels.domain.bounds import (
    Stratum,
    as_found_by_all,
    most_wrong,
    most_wrong_stratified,
)
from hundredfold.labels.domain.class_view import ClassView
from hundredfold.labels.domain.fold import Fold
from hundredfold.labels.domain.page import Ids, Rows
from hundredfold.labels.domain.people import miss_rate, wrong_labels
from hundredfold.labels.domain.schema import Schema

_MOST_REFUSED = 0.5  # of a sample, so that what is put right later counts


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
