"""`hundredfold status`: how far the work is."""

import math
from collections.abc import Callable
from typing import Any, TypeVar

import click

from hundredfold.chassis.errors import Conflict, NotFound, Unavailable
from hundredfold.cli import output
from hundredfold.cli.collections import json_option
from hundredfold.client import Client
from hundredfold.client.groups import in_words
from hundredfold.client.types import (
    Audit,
    Collection,
    Forecast,
    Index,
    Loop,
    Progress,
    Schema,
)

USUAL_TARGET = 0.95
_NEWEST = 10

T = TypeVar("T")


@click.command()
@click.argument("name")
@json_option
def status(name: str, as_json: bool) -> None:
    """How far the work on collection NAME is."""
    with Client() as client:
        loop = or_none(lambda: client.selection.get(name))
        target = _target(loop)
        found: dict[str, Any] = {
            "collection": client.catalog.get(name),
            "progress": client.labels.progress(name),
            "schema": client.catalog.schema(name),
            "loop": loop,
            "index": or_none(lambda: client.index.index(name, loop.space)) if loop else None,
            "forecast": or_none(lambda: client.selection.forecast(name, target=target)),
            **_audits(client, name),
        }
    output.show(found, as_json=as_json, words=lambda: _tell_status(**found))


def _audits(client: Client, name: str) -> dict[str, Any]:
    """The newest audit of all images, and those of clusters."""
    audits = or_none(lambda: list(client.labels.audits(name, limit=_NEWEST))) or []
    return {
        "audit": next((each for each in audits if not each.cluster), None),
        "clusters": [each for each in audits if each.cluster and each.state != "ABANDONED"],
    }


def _target(loop: Loop | None) -> float:
    return (loop.target_accuracy if loop else 0.0) or USUAL_TARGET


def _tell_status(
    collection: Collection,
    progress: Progress,
    schema: Schema,
    loop: Loop | None,
    index: Index | None,
    forecast: Forecast | None,
    audit: Audit | None,
    clusters: list[Audit],
) -> None:
    names = {each.class_id: each.name for each in schema.classes}
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
            [f"left until {_target(loop):.4g}", left_of(forecast)],
            ["certificate", _certificate(loop, audit)],
            *(
                ["as a whole", in_words(each, names.get(each.cluster_class, "?"))]
                for each in clusters
            ),
            *([["backbone", _backbone(loop)]] if loop else []),
            *([["index", _index(index)]] if index else []),
        ],
    )
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


def left_of(forecast: Forecast | None) -> str:
    """The work that is left, in words."""
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


def _index(index: Index) -> str:
    found = (
        "exact"
        if index.kind == "flat"
        else f"finds {index.recall:.1%} of the true ten nearest (of {index.held_out:,} held-out images)"
    )
    where = "in Milvus" if index.engine == "milvus" else f"{index.memory_bytes / 2**20:,.0f} MiB"
    size = f"{index.vectors:,} images, {where}, {index.codes}; {found}"
    size += "" if index.current else "; there are other vectors now"
    return size + (f"; without the damaged {', '.join(index.damaged)}" if index.damaged else "")


def or_none(call: Callable[[], T]) -> T | None:
    """What a call returns; None when there is nothing, or nobody answers."""
    try:
        return call()
    except (NotFound, Conflict, Unavailable):
        return None
