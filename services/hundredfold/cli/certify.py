"""`hundredfold certify` and `hundredfold clusters`: until when the work goes on, and what of it is done at one blow."""

import click

from hundredfold.chassis.errors import NotFound
from hundredfold.cli import output
from hundredfold.cli.collections import json_option
from hundredfold.cli.status import USUAL_TARGET, left_of, or_none
from hundredfold.client import Client
from hundredfold.client.groups import at_most
from hundredfold.client.types import Audit, Forecast, Loop


@click.command()
@click.argument("name")
@click.option(
    "--target",
    type=click.FloatRange(0.5, 0.9999),
    default=USUAL_TARGET,
    show_default=True,
    help="Share of all images, or of the cluster's, that must be right.",
)
@click.option(
    "--confidence",
    type=click.FloatRange(0.5, 0.9999),
    default=0.95,
    show_default=True,
    help="How sure the proof must be.",
)
@click.option(
    "--label-rest/--leave-rest",
    default=True,
    show_default=True,
    help="Let the model label the rest as soon as it is proved.",
)
@click.option("--cluster", help="Only a cluster, by its number; `clusters` lists them.")
@click.option("--as", "class_name", help="With --cluster: the class that all of it would be.")
@json_option
def certify(
    name: str,
    target: float,
    confidence: float,
    label_rest: bool,
    cluster: str | None,
    class_name: str | None,
    as_json: bool,
) -> None:
    """Let the loop of collection NAME go on until a target is proved by a random audit.

    The loop keeps its space, classes and policy; its audits begin by themselves. `status` tells when it
    is proved.

    With --cluster and --as a random sample of one cluster is asked about first. If it proves that so many
    are of the class, the rest of the cluster is labelled by itself, as one event that can be undone.
    """
    if bool(cluster) != bool(class_name):
        raise click.UsageError("--cluster and --as belong together")
    with Client() as client:
        if cluster and class_name:
            if not label_rest:
                raise click.UsageError("--leave-rest is of no use with --cluster")
            audit = _one_cluster(client, name, cluster, class_name, 1 - target, confidence)
            output.show(audit, as_json=as_json, words=lambda: _tell_cluster(name, audit))
            return
        loop, forecast = _everything(client, name, target, confidence, label_rest=label_rest)
        progress = client.labels.progress(name)
    left = f", {left_of(forecast)}" if forecast and forecast.seconds else ""
    output.show(
        {"loop": loop, "forecast": forecast},
        as_json=as_json,
        words=lambda: output.say(
            f"{name} goes on until {target:.4g} is proved{left}. Label at the UI; "
            f"`hundredfold status {name}` tells how far it is."
            if progress.pool + progress.ready + progress.leased or not progress.total
            else f"Every image of {name} is labelled or set aside: there is nothing left to prove."
        ),
    )


def _everything(
    client: Client, name: str, target: float, confidence: float, *, label_rest: bool
) -> tuple[Loop, Forecast | None]:
    before = client.selection.get(name)
    loop = client.selection.start(
        name,
        space=before.space,
        expected_classes=before.expected_classes,
        policy=before.policy,
        without=before.without,
        target_accuracy=target,
        confidence=confidence,
        auto_label=label_rest,
    )
    return loop, or_none(lambda: client.selection.forecast(name, target=target))


def _one_cluster(
    client: Client, name: str, cluster: str, class_name: str, allowed: float, confidence: float
) -> Audit:
    loop = client.selection.get(name)
    classes = client.catalog.schema(name).by_name()
    if class_name not in classes:
        known = ", ".join(sorted(classes)) or "none yet"
        raise NotFound(f"{name} has no class {class_name}; there are: {known}", field="as")
    full = cluster if "/" in cluster else f"{loop.clusters}/{cluster}"
    return client.labels.label_cluster(
        name, full, classes[class_name], allowed_error=allowed, confidence=confidence
    )


def _tell_cluster(name: str, audit: Audit) -> None:
    later = f", {audit.most_sample:,} at most" if audit.most_sample > audit.sample else ""
    output.say(
        f"{audit.sample:,} random images of the cluster's {audit.total:,} come first at the UI{later}. "
        f"Once they prove that at most {at_most(audit.allowed_error)} are wrong the rest is labelled by "
        f"itself; `hundredfold status {name}` tells."
    )


@click.command()
@click.argument("name")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
@json_option
def clusters(name: str, limit: int, as_json: bool) -> None:
    """The clusters that the loop of collection NAME works with, the largest first."""
    with Client() as client:
        run = client.selection.get(name).clusters
        found = client.index.clusters(name, run)
    found = sorted(found, key=lambda each: -each.size)[:limit]
    output.show(
        {"clusters": run, "largest": found},
        as_json=as_json,
        words=lambda: output.table(
            ["cluster", "images", "middle image", "spread"],
            [
                [str(each.number), f"{each.size:,}", f"row {each.medoid}", f"{each.spread:.3f}"]
                for each in found
            ],
        ),
    )
