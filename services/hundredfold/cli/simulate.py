"""`hundredfold simulate`: how much faster, by the published cost model."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np

from hundredfold.chassis.costs import CostModel
from hundredfold.cli import output
from hundredfold.cli.collections import json_option
from hundredfold.client import SERVICES, Client, simulation
from hundredfold.client.selection import PARTS
from hundredfold.client.simulation import (
    Clock,
    Known,
    KnownPairs,
    Milestone,
    Outcome,
    Settings,
    Stop,
)
from hundredfold.client.truth import read_truth

LOOK_IMAGES = 48
"""Images of the page whose look `--page-look` gives."""


@click.command()
@click.argument("name")
@click.option(
    "--truth",
    type=click.Path(path_type=Path),
    required=True,
    help="A CSV, JSONL or Parquet file with keys and labels; several of an image joined by ;.",
)
@click.option(
    "--target",
    "targets",
    type=click.FloatRange(0.5, 0.999),
    default=(0.95,),
    show_default=True,
    multiple=True,
    help="Accuracy of the complete labelling; several: the work goes on to the next.",
)
@click.option(
    "--stop",
    type=click.Choice([each.value for each in Stop]),
    default=Stop.CERTIFICATE.value,
    show_default=True,
    help="certificate: when the system has proved the target by an audit; truth: when it is true.",
)
@click.option(
    "--clock",
    type=click.Choice([each.value for each in Clock]),
    default=Clock.WAIT.value,
    show_default=True,
    help="wait: he pauses while a backbone is made, counted apart; real: he acts in real time.",
)
@click.option(
    "--pace",
    type=click.FloatRange(0.1, 100),
    default=1.0,
    show_default=True,
    help="With --clock real: human seconds in a second; 2 leaves the machine half the time.",
)
@click.option("--policy", default="", help="The way pages are chosen.")
@click.option(
    "--without",
    type=click.Choice(PARTS),
    multiple=True,
    help="Leave a part of the loop out; may be repeated.",
)
@click.option("--space", default="", help="The space to begin in, name@version.")
@click.option(
    "--cost",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A file with a cost model of your own.",
)
@click.option(
    "--model",
    "cost_model",
    default="page",
    show_default=True,
    help="Which cost model of the file: page, keystroke.",
)
@click.option(
    "--page-look",
    type=click.FloatRange(0, 60),
    help=f"Seconds to look at a page of {LOOK_IMAGES}; the cost model's looks are scaled to it.",
)
@click.option("--seeds", type=click.IntRange(1, 100), default=1, show_default=True)
@click.option(
    "--miss",
    "--miss-rate",
    "miss_rate",
    type=click.FloatRange(0, 1),
    default=0.0,
    show_default=True,
    help="Share of odd images overlooked.",
)
@click.option("--at-random", is_flag=True, help="The labeller answers at random.")
@json_option
def simulate(
    name: str,
    truth: Path,
    targets: tuple[float, ...],
    stop: str,
    clock: str,
    pace: float,
    policy: str,
    without: tuple[str, ...],
    space: str,
    cost: Path | None,
    cost_model: str,
    page_look: float | None,
    seeds: int,
    miss_rate: float,
    at_random: bool,
    as_json: bool,
) -> None:
    """Label collection NAME with a simulated labeller through the running services.

    What simulations labelled before is cleared first (the ledger keeps it). A collection that people
    have labelled is refused.
    """
    costs = CostModel.load(cost_model, cost)
    if page_look is not None:
        costs = looking(costs, page_look)
    settings = Settings(
        targets=tuple(sorted(set(targets))),
        stop=Stop(stop),
        clock=Clock(clock),
        pace=pace,
        space=space,
        policy=policy,
        without=without,
        miss_rate=miss_rate,
        at_random=at_random,
    )
    labels = read_truth(truth)
    with Client() as client:
        client.require(*SERVICES)
        known = _known(client, name, truth, labels)
        outcomes = [
            simulation.simulate(client, name, known, costs, settings, seed=seed, on_point=say)
            for seed in range(seeds)
        ]
    report = _report(name, costs, settings, outcomes)
    output.show(report, as_json=as_json, words=lambda: _words(name, settings, outcomes))


def _known(client: Client, name: str, path: Path, labels: dict[str, str]) -> Known | KnownPairs:
    """The truth of a collection, of as many classes an image as it may have."""
    if client.catalog.schema(name).several:
        return simulation.prepare_pairs(client, name, read_truth(path, several=True))
    return simulation.prepare(client, name, labels)


def looking(costs: CostModel, seconds: float) -> CostModel:
    """A cost model in which a look at a page of LOOK_IMAGES takes so long; the other actions stay."""
    factor = seconds / costs.look(LOOK_IMAGES)
    return dataclasses.replace(
        costs,
        page_look_seconds=costs.page_look_seconds * factor,
        thumbnail_seconds=costs.thumbnail_seconds * factor,
    )


def say(outcome: Outcome) -> None:
    """Tell how far a simulation is."""
    point = outcome.curve[-1]
    output.say(
        f"seed {outcome.seed}: {point.decisions:4d} pages, {point.seconds:6,.0f} human seconds, "
        f"{point.labelled:6,} labelled, {point.accuracy:.2%} right"
    )


def _report(
    name: str, costs: CostModel, settings: Settings, outcomes: list[Outcome]
) -> dict[str, Any]:
    targets = [summary(target, outcomes) for target in settings.targets]
    return {
        "collection": name,
        "images": outcomes[0].images,
        "classes": outcomes[0].classes,
        "settings": settings,
        "cost_model": costs,
        "reached": all(each["reached"] for each in targets),
        "targets": targets,
        "outcomes": outcomes,
    }


def summary(target: float, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Medians over the seeds that reached a target, and whether all did."""
    found = [each for outcome in outcomes for each in outcome.milestones if each.target == target]
    reached = len(found) == len(outcomes) and all(each.accuracy >= target for each in found)
    medians = {
        field: float(np.median([getattr(each, field) for each in found])) if found else 0.0
        for field in (
            *("seconds", "speedup", "speedup_over_good_tool", "actions", "decisions"),
            *("accuracy", "exact_match", "proved_accuracy"),
            *("waiting_seconds", "backbone_seconds"),
        )
    }
    return {"target": target, "reached": reached, **medians}


def _words(name: str, settings: Settings, outcomes: list[Outcome]) -> None:
    output.say(
        f"{name}: {outcomes[0].images:,} images, {outcomes[0].classes} classes; one by one = 3 s an image"
    )
    reached = [(outcome, each) for outcome in outcomes for each in outcome.milestones]
    output.table(
        [
            *("seed", "target", "by", "human s", "x", "actions", "right", "all right", "proved"),
            *("waited", "paused", "labels/s"),
        ],
        [_row(outcome, each) for outcome, each in reached],
    )
    output.say(
        "x: times faster than 3 s an image, all its classes named. Right: images, or pairs of an image and a "
        "class where there may be several; all right: images. Waited for pages, paused for backbones: not in human s. "
        "Labels a human second in the first third, in the last, and in the last with the model's."
    )
    if len(reached) < len(outcomes) * len(settings.targets):
        output.say("Not every target was reached.")
    for outcome in outcomes:
        _tell_backbones(outcome)
    checks = [each for outcome in outcomes for each in outcome.checkpoints]
    if checks:
        inside = sum(each.inside for each in checks)
        output.say(
            f"Forecasts: the truth was inside the 80 % interval {inside} of {len(checks)} times."
        )


def _row(outcome: Outcome, reached: Milestone) -> list[str]:
    rates = reached.rates
    return [
        str(outcome.seed),
        f"{reached.target:.1%}",
        reached.ended,
        f"{reached.seconds:,.0f}",
        f"{reached.speedup:.1f}",
        f"{reached.actions:,.0f}",
        f"{reached.accuracy:.2%}",
        f"{reached.exact_match:.2%}",
        f"{reached.proved_accuracy:.2%}" if reached.proved_accuracy else "-",
        f"{reached.waiting_seconds:,.0f} s",
        f"{reached.backbone_seconds:,.0f} s",
        f"{rates.first_third:.1f} {rates.last_third:.1f} {rates.last_third_with_model:.1f}",
    ]


def _tell_backbones(outcome: Outcome) -> None:
    for each in outcome.backbone_rounds:
        said = "taken into use" if each.promoted else f"not taken: {each.reason}"
        output.say(
            f"seed {outcome.seed}: backbone {each.after or '-'} after {each.labels:,} labels, "
            f"{each.seconds:,.0f} s: {each.accuracy_before:.1%} -> {each.accuracy_after:.1%} "
            f"right on {each.images:,} held out, {said}"
        )
