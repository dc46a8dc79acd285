"""Drawing the sample of an audit."""

import hashlib
import math
from dataclasses import dataclass

import numpy as np

from hundredfold.chassis.stages import stages
from hundredfold.labels.domain import sampling, sequential, thresholds
from hundredfold.labels.domain.audit import Drawn, People, Plan, groups_of
from hundredfold.labels.domain.bounds import Stratum, look_alpha
from hundredfold.labels.domain.proving import errors_to_leave
from hundredfold.labels.store.audits import Population

_CLUSTER_WRONG = 0.25
"""Of a cluster nobody has guessed: so large a part of the wrong ones that are allowed is expected."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """An audit that is asked for; see StartAuditRequest."""

    model: str
    cluster: str
    class_id: int
    allowed_error: float
    confidence: float
    sample: int
    by_class: bool
    find_threshold: bool


@dataclass(frozen=True, slots=True)
class Scene:
    """What an audit is drawn from: images people did not label, and what is known of the others.

    `refused` are images they did not label either, but whose guess they refused.
    """

    population: Population
    refused: Population
    total: int
    people: People
    looks: int
    audits: int
    before: str
    class_id: int


def draw(collection: str, request_id: str, wanted: Wanted, scene: Scene) -> tuple[Plan, Drawn]:
    """Draw a sample. The same request draws the same from the same population."""
    population, count = scene.population, len(scene.population.rows)
    alpha = look_alpha(wanted.confidence, scene.looks + 1)
    classes = len(np.unique(population.class_ids))
    size = min(count, wanted.sample or _size(wanted, scene, alpha, classes))
    sizes, level = _stages(wanted, scene, size, alpha, classes)
    random = sampling.generator(f"{collection} {request_id}")
    strata = [Stratum(count, size)]
    if wanted.find_threshold:
        places = sampling.simple(count, size, random)
    elif wanted.by_class:
        places, strata = sampling.stratified(population.class_ids, size, random)
    else:
        places = sampling.in_order(count, size, random)
    drawn = population.at(places)
    steps: tuple[thresholds.Step, ...] = ()
    if wanted.find_threshold:
        found = thresholds.steps(
            population.probabilities,
            drawn.probabilities,
            wanted.allowed_error,
            alpha,
            scene.people.miss_rate,
        )
        steps = tuple(found)
    plan = Plan(
        audit_id=_audit_id(request_id, scene, drawn),
        model=wanted.model,
        cluster=wanted.cluster,
        allowed_error=wanted.allowed_error,
        confidence=wanted.confidence,
        look=scene.looks + 1,
        alpha=alpha,
        total=scene.total,
        population=count,
        sample=size,
        by_class=wanted.by_class,
        find_threshold=wanted.find_threshold,
        groups=groups_of(population.class_ids, drawn.class_ids),
        strata=tuple(strata),
        steps=steps,
        abandons=scene.before,
        stages=sizes,
        level=level,
        class_id=scene.class_id,
        refused=len(scene.refused.rows),
    )
    return plan, drawn


def _audit_id(request_id: str, scene: Scene, drawn: Drawn) -> str:
    """Another one where another sample is drawn: a request repeated while it is at work replaces nothing."""
    population = scene.population
    digest = hashlib.sha256(f"{scene.audits} {request_id}".encode())
    for array in (population.rows, population.class_ids, population.probabilities, drawn.rows):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:20]


def _stages(
    wanted: Wanted, scene: Scene, size: int, alpha: float, classes: int
) -> tuple[tuple[int, ...], float]:
    """The stages of a sample of all images together, and their nominal level."""
    if wanted.by_class or wanted.find_threshold:
        return (), 0.0
    sizes = stages(size, classes)
    # However few slips people turn out to have made: no more than these may be claimed to be left.
    limit = math.floor(wanted.allowed_error * scene.total + 1e-9)
    return sizes, sequential.level(len(scene.population.rows), sizes, limit, alpha)


def _size(wanted: Wanted, scene: Scene, alpha: float, classes: int) -> int:
    """As many images as likely prove the bound, if the head is right about its errors."""
    sure, people = scene.population.probabilities, scene.people
    if wanted.find_threshold:
        return thresholds.sample_for_threshold(sure, wanted.allowed_error, alpha, people.miss_rate)
    count = len(sure)
    if wanted.cluster:
        expected = _CLUSTER_WRONG * wanted.allowed_error * count
    else:
        expected = float(np.sum(1 - sure.astype(np.float64)))
    refused = len(scene.refused.rows)
    labelled = scene.total - count - refused
    limit = errors_to_leave(scene.total, wanted.allowed_error, labelled, people) - refused
    if wanted.by_class:
        return sampling.smallest_sample(count, expected, limit, alpha, people.miss_rate)
    level, size = alpha, 0
    # The level follows from the stages and they from the size, which it hardly moves.
    for _ in range(2):
        size = sampling.smallest_sample(
            count,
            expected,
            limit,
            level,
            people.miss_rate,
            margin=sampling.STAGED_MARGIN,
            chance=sampling.STAGED_SURE_ENOUGH,
        )
        _, level = _stages(wanted, scene, size, alpha, classes)
    return size
