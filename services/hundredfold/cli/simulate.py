"""`hundredfold simulate`: how much faster, by the published cost model."""

from pathlib import Path
from typing import Any

import click
import numpy as np

from hundredfold.chassis.costs import CostModel
from hundredfold.cli import output
from hundredfold.cli.collections import json_option
from hundredfold.client import SERVICES, Client, simulation
from hundredfold.client.truth import read_truth


@click.command()
@click.argument("name")
@click.option(
    "--truth",
    type=click.Path(path_type=Path),
    required=True,
    help="A CSV, JSONL or Parquet file with keys and labels.",
)
@click.option(
    "--target",
    type=click.FloatRange(0.1, 0.999),
    default=0.95,
    show_default=True,
    help="Accuracy of the complete labelling.",
)
@click.option("--policy", default="", help="The way pages are chosen.")
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
@click.option("--seeds", type=click.IntRange(1, 100), default=1, show_default=True)
@click.option(
    "--miss-rate",
    type=click.FloatRange(0, 1),
    default=0.0,
    show_default=True,
    help="Share of odd images overlooked.",
)
@json_option
def simulate(
    name: str,
    truth: Path,
    target: float,
    policy: str,
    cost: Path | None,
    cost_model: str,
    seeds: int,
    miss_rate: float,
    as_json: bool,
) -> None:
    """Label collection NAME with a simulated labeller through the running services.

    What simulations labelled before is cleared first (the ledger keeps it). A collection that people
    have labelled is refused.
    """
    costs = CostModel.load(cost_model, cost)
    settings = simulation.Settings(target=target, policy=policy, miss_rate=miss_rate)
    labels = read_truth(truth)
    with Client() as client:
        client.require(*SERVICES)
        known = simulation.prepare(client, name, labels)
        outcomes = [
            simulation.simulate(client, name, known, costs, settings, seed=seed, on_point=_say)
            for seed in range(seeds)
        ]
    report = _report(name, costs, settings, outcomes)
    output.show(report, as_json=as_json, words=lambda: _words(report))


def _say(outcome: simulation.Outcome) -> None:
    point = outcome.curve[-1]
    output.say(
        f"seed {outcome.seed}: {point.decisions:4d} pages, {point.seconds:6,.0f} human seconds, "
        f"{point.labelled:6,} labelled, {point.accuracy:.2%} right"
    )


def _report(
    name: str,
    costs: CostModel,
    settings: simulation.Settings,
    outcomes: list[simulation.Outcome],
) -> dict[str, Any]:
    reached = [each for each in outcomes if each.reached]
    return {
        "collection": name,
        "images": outcomes[0].images,
        "classes": outcomes[0].classes,
        "settings": settings,
        "cost_model": costs,
        "reached": len(reached) == len(outcomes),
        "speedup": float(np.median([each.speedup for each in outcomes])),
        "speedup_over_good_tool": float(
            np.median([each.speedup_over_good_tool for each in outcomes])
        ),
        "seconds": float(np.median([each.seconds for each in outcomes])),
        "actions": float(np.median([each.actions for each in outcomes])),
        "outcomes": outcomes,
    }


def _words(report: dict[str, Any]) -> None:
    settings: simulation.Settings = report["settings"]
    if not report["reached"]:
        output.say(f"{settings.target:.1%} was not reached")
        return
    output.say(
        f"{report['collection']}: {report['images']:,} images, {report['classes']} classes, "
        f"{settings.target:.0%} right after {report['seconds']:,.0f} human seconds: "
        f"{report['speedup']:.1f} x one by one at 3 s an image "
        f"({report['speedup_over_good_tool']:.1f} x at 2.4 s)"
    )
