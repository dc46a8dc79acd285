"""`hundredfold status` and `hundredfold certify`: how far the work is, and until when it goes on."""

import math
from collections.abc import Callable
from typing import Any, TypeVar

import click

from hundredfold.chassis.errors import Conflict, NotFound, Unavailable
from hundredfold.cli import output
from hundredfold.cli.collections import json_option
from hundredfold.client import Client
from hundredfold.client.types import (
    Audit,
    Collection,
    Forecast,
    Loop,
    Progress,
    Schema,
)

USUAL_TARGET = 0.95

T = TypeVar("T")


@click.command()
@click.argument("name")
@json_option
def status(name: str, as_json: bool) -> None:
    """How far the work on collection NAME is."""
    with Client() as client:
        loop = _or_none(lambda: client.selection.get(name))
        target = _target(loop)
        found: dict[str, Any] = {
            "collection": client.catalog.get(name),
            "progress": client.labels.progress(name),
            "schema": client.catalog.schema(name),
            "loop": loop,
            "forecast": _or_none(lambda: client.selection.forecast(name, target=target)),
            "audit": _or_none(lambda: client.labels.audit(name)),
        }
    output.show(found, as_json=as_json, words=lambda: _tell_status(**found))


@click.command()
@click.argument("name")
@click.option(
    "--target",
    type=click.FloatRange(0.5, 0.9999),
    default=USUAL_TARGET,
    show_default=True,
    help="Share of all images that must be right.",
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
@json_option
def certify(name: str, target: float, confidence: float, label_rest: bool, as_json: bool) -> None:
    """Let the loop of collection NAME go on until a target is proved by a random audit.

    The loop keeps its space, classes and policy; its audits begin by themselves. `status` tells when it
    is proved.
    """
    with Client() as client:
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
        forecast = _or_none(lambda: client.selection.forecast(name, target=target))
    found = {"loop": loop, "forecast": forecast}
    left = f", {_left(forecast)}" if forecast and forecast.seconds else ""
    output.show(
        found,
        as_json=as_json,
        words=lambda: output.say(
            f"{name} goes on until {target:.4g} is proved{left}. Label at the UI; "
            f"`hundredfold status {name}` tells how far it is."
        ),
    )


def _target(loop: Loop | None) -> float:
    return (loop.target_accuracy if loop else 0.0) or USUAL_TARGET


def _tell_status(
    collection: Collection,
    progress: Progress,
    schema: Schema,
    loop: Loop | None,
    forecast: Forecast | None,
    audit: Audit | None,
) -> None:
    spent = f"{progress.decisions:,} in {progress.human_seconds:,.0f} human seconds"
    output.table(
        ["", ""],
        [
            ["images", f"{collection.images:,} ({collection.failed:,} unreadable)"],
            *_amounts(progress, several=schema.several),
            ["set aside", f"{progress.unsure:,}"],
            ["waiting", f"{progress.ready_pages:,} pages"],
            ["decisions", spent],
            ["labels a minute", f"{progress.labels_per_minute:,.0f}"],
            ["loop", f"{loop.phase.lower()} {loop.trouble}".strip() if loop else "not started"],
            ["right if stopped now", _expected(loop)],
            [f"left until {_target(loop):.4g}", _left(forecast)],
            ["certificate", _certificate(loop, audit)],
            *([["backbone", _backbone(loop)]] if loop else []),
        ],
    )
    names = {each.class_id: each.name for each in schema.classes}
    counts = sorted(progress.labels_by_class.items())
    output.table(
        ["class", "labels"], [[names.get(each, str(each)), f"{count:,}"] for each, count in counts]
    )


def _amounts(progress: Progress, *, several: bool) -> list[list[str]]:
    """What there is to label, and how much of it is; where an image may be of several classes pairs beside images."""
    follow = "(copies follow their representative)"
    if not several:
        return [
            ["to label", f"{progress.total:,} {follow}"],
            ["labelled", f"{progress.labelled:,}"],
        ]
    return [
        ["to label", f"{progress.images:,} images {follow}, {progress.total:,} pairs with a class"],
        ["known", f"{progress.labelled:,} pairs; {progress.images_labelled:,} images whole"],
    ]


def _expected(loop: Loop | None) -> str:
    if loop and loop.proved_accuracy:
        return f"at least {_down(loop.proved_accuracy)} (proved)"
    if not loop or not loop.expected_accuracy:
        return "-"
    measured = (
        f"; {loop.measured_accuracy:.1%} measured on {loop.measured_images:,} random images"
        if loop.measured_accuracy
        else ""
    )
    return f"{loop.expected_accuracy:.1%} (expected{measured})"


def _left(forecast: Forecast | None) -> str:
    if not forecast:
        return "-"
    if not forecast.seconds:
        return "nothing: it is proved, or expected to be reached"
    low, high = (each / 60 for each in (forecast.seconds_low, forecast.seconds_high))
    return f"{forecast.seconds / 60:,.0f} human minutes ({low:,.0f} to {high:,.0f} in four of five cases)"


def _certificate(loop: Loop | None, audit: Audit | None) -> str:
    if loop and loop.proved_accuracy:
        seq = f", event {audit.certificate_seq}" if audit and audit.certificate_seq else ""
        return f"at least {_down(loop.proved_accuracy)} right, sure to {loop.confidence:.4g}{seq}"
    if audit and audit.state == "OPEN":
        return f"audit {audit.look}: {audit.answered:,} of {audit.sample:,} answered, {audit.errors:,} wrong"
    if audit and audit.state == "FAILED":
        return f"audit {audit.look} failed: {audit.errors:,} of {audit.sample:,} wrong"
    if audit and audit.state == "CERTIFIED":
        return (
            f"event {audit.certificate_seq}: at least {_down(1 - audit.bound)} right as it was then"
        )
    return "none" if loop and loop.target_accuracy else "none; `hundredfold certify` sets a target"


def _down(share: float) -> str:
    """A share that promises no more than was proved; a float on the way may have lost a millionth."""
    return f"{math.floor(1e4 * share + 1e-2) / 1e4:.2%}"


def _backbone(loop: Loop) -> str:
    promoted = sum(each.promoted for each in loop.backbone_rounds)
    tried = f"{loop.space}; {len(loop.backbone_rounds)} tried, {promoted} taken into use"
    at_work = "" if loop.backbone_step in {"IDLE", "UNSPECIFIED"} else loop.backbone_step.lower()
    return f"{tried}; {at_work} now" if at_work else tried


def _or_none(call: Callable[[], T]) -> T | None:
    try:
        return call()
    except (NotFound, Conflict, Unavailable):
        return None
