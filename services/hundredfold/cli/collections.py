"""Commands on a collection: bring in, look, take out."""

from pathlib import Path
from typing import Any

import click

from hundredfold.chassis.errors import NotFound
from hundredfold.cli import output
from hundredfold.client import SERVICES, Client, pipeline
from hundredfold.client.labels import FORMATS
from hundredfold.client.types import Run

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
collection_option = click.option("--collection", required=True, help="Its name.")


def source_options(command: Any) -> Any:
    """The options that say how to read a source."""
    for option in (
        click.option(
            "--limit",
            type=click.IntRange(min=0),
            default=0,
            help="Look only at the first so many images.",
        ),
        click.option("--label-column", default="", help="The column of labels, for tables."),
        click.option("--key-column", default="", help="The column of keys, for tables."),
        click.option("--uri-column", default="", help="The column of paths or URIs, for tables."),
        click.option(
            "--image-column", default="", help="The column of encoded images, for Parquet."
        ),
        click.option("--tags-column", default="", help="The column of tags, for tables."),
    ):
        command = option(command)
    return command


several_option = click.option(
    "--several",
    is_flag=True,
    help="An image may be of several classes; fixed once there is a class.",
)


def absolute(source: str) -> str:
    """A path as the services can find it; URIs stay as they are."""
    return source if "://" in source else str(Path(source).absolute())


@click.command()
@click.argument("source")
@collection_option
@several_option
@source_options
@json_option
def ingest(
    source: str, collection: str, several: bool, as_json: bool, **columns: str | int
) -> None:
    """Take images in from SOURCE.

    SOURCE is a folder, a glob, a CSV/JSONL/Parquet file, a WebDataset tar, or such a thing at an
    fsspec URI. Only what is new is taken.
    """
    options = pipeline.Options(columns=columns, several=several)
    with Client() as client, output.progress_bars() as bars:
        run = pipeline.ingest(client, absolute(source), collection, options, bars)
    output.show(run.result, as_json=as_json, words=lambda: _say_ingested(run))


def _say_ingested(run: Run) -> None:
    result = run.result
    output.say(
        f"{run.collection}: {result['images']:,} images, {result['new']:,} new, {result['failed']:,} unreadable"
    )


@click.command()
@click.argument("source")
@collection_option
@click.option("--classes", default="", help="Names of classes to begin with, separated by commas.")
@click.option(
    "--expected-classes", type=click.IntRange(min=0), default=0, help="How many there may be."
)
@click.option(
    "--radius",
    type=click.IntRange(0, 10),
    default=pipeline.DUPLICATE_RADIUS,
    show_default=True,
    help="Bits in which hashes of copies may differ.",
)
@click.option("--model", default="", help="The backbone, name@version; else the default.")
@click.option("--space", default="", help="Vectors that were imported; else images are embedded.")
@several_option
@source_options
@json_option
def bootstrap(
    source: str,
    collection: str,
    classes: str,
    expected_classes: int,
    radius: int,
    model: str,
    space: str,
    several: bool,
    as_json: bool,
    **columns: str | int,
) -> None:
    """Bring SOURCE in and prepare it for labelling: hash, drop copies, embed, cluster, open the loop.

    Running it again continues, or takes in what is new.
    """
    options = pipeline.Options(
        columns=columns,
        classes=tuple(name.strip() for name in classes.split(",") if name.strip()),
        expected_classes=expected_classes,
        radius=radius,
        model=model,
        several=several,
        space=space,
    )
    with Client() as client, output.progress_bars() as bars:
        made = pipeline.bootstrap(client, absolute(source), collection, options, bars)
    output.show(
        {"loop": made.loop, "runs": made.runs},
        as_json=as_json,
        words=lambda: output.say(f"{collection}: ready to label."),
    )


@click.command()
@click.option("--collection", default="", help="Only those of this collection.")
@click.option("--cancel", "cancelled", default="", metavar="RUN", help="Ask this run to end.")
@json_option
def runs(collection: str, cancelled: str, as_json: bool) -> None:
    """Long work, newest first."""
    with Client() as client:
        if collection and client.is_alive("catalog"):
            client.catalog.get(collection)  # a wrong name is an error, not an empty list
        found = [
            run for service in _with_runs(client) for run in client.runs(service).recent(collection)
        ]
        if cancelled:
            found = [
                client.runs(run.service).cancel(run.run_id)
                for run in found
                if run.run_id == cancelled
            ]
            if not found:
                raise NotFound(f"there is no run {cancelled!r}")
    found.sort(key=lambda run: -run.created_at)
    output.show(
        found,
        as_json=as_json,
        words=lambda: output.table(
            ["run", "collection", "what", "state", "done", "of", "error"],
            [
                [
                    run.run_id,
                    run.collection,
                    f"{run.service} {run.kind}",
                    run.state,
                    f"{run.done:,}",
                    f"{run.total:,}",
                    run.error,
                ]
                for run in found
            ],
        ),
    )


def _with_runs(client: Client) -> list[str]:
    have = [each for each in SERVICES if each != "selection"]
    there = [each for each in have if client.is_alive(each)]
    if not there:
        client.require(*have, seconds=0)
    return there


@click.command()
@click.argument("name")
@click.option("--format", "format_", type=click.Choice(FORMATS), default="csv", show_default=True)
@click.option("--out", required=True, help="A file; for imagenet a folder.")
@click.option("--all", "include_unlabelled", is_flag=True, help="Also images without a label.")
@json_option
def export(name: str, format_: str, out: str, include_unlabelled: bool, as_json: bool) -> None:
    """Write the labels of collection NAME, read them again and count them."""
    with Client() as client, output.progress_bars() as bars:
        run = client.labels.export(
            name, format_, absolute(out), include_unlabelled=include_unlabelled
        )
        run = client.labels.runs.wait(run.run_id, bars)
    output.show(
        run.result,
        as_json=as_json,
        words=lambda: output.say(
            f"{run.result['labelled']:,} labels in {run.result['destination']}, read again and counted"
        ),
    )


@click.command("import")
@click.argument("name")
@click.argument("file")
@click.option(
    "--format", "format_", type=click.Choice(FORMATS[:3]), default="csv", show_default=True
)
@json_option
def import_(name: str, file: str, format_: str, as_json: bool) -> None:
    """Read labels for collection NAME from FILE as one event, which can be undone."""
    with Client() as client, output.progress_bars() as bars:
        run = client.labels.import_(name, absolute(file), format_)
        run = client.labels.runs.wait(run.run_id, bars)
    output.show(
        run.result,
        as_json=as_json,
        words=lambda: output.say(
            f"{run.result['labels']:,} labels; {run.result['unknown_images']:,} images are not in {name}"
        ),
    )
