"""`hundredfold import-vectors`: vectors that were made elsewhere become a space."""

import click

from hundredfold.cli import output
from hundredfold.cli.collections import absolute, json_option
from hundredfold.client import Client
from hundredfold.client.embedding import MATCHES
from hundredfold.client.types import Run


@click.command("import-vectors")
@click.argument("name")
@click.argument("file")
@click.option("--space", required=True, help="What made them, as name@version; that of no model.")
@click.option("--ids", default="", help="For .npy: another .npy, with rows, keys or URIs.")
@click.option("--match", type=click.Choice(MATCHES), help="What the ids name.")
@click.option("--vector-column", default="", help="Of Parquet, unless vector or embedding.")
@click.option("--id-column", default="", help="Of Parquet, unless row, key or uri.")
@click.option("--duplicates", default="", help="A run of `duplicates`: copies get no vector.")
@json_option
def import_vectors(
    name: str,
    file: str,
    space: str,
    ids: str,
    match: str | None,
    vector_column: str,
    id_column: str,
    duplicates: str,
    as_json: bool,
) -> None:
    """Take the vectors of FILE (.npy or .parquet) in as a space of collection NAME.

    From then on it is indexed, clustered and labelled in like any other. Again = continue.
    """
    with Client() as client, output.progress_bars() as bars:
        run = client.embedding.import_vectors(
            name,
            absolute(file),
            space=space,
            ids=absolute(ids) if ids else "",
            match=match or "",
            vector_column=vector_column,
            id_column=id_column,
            duplicates=duplicates,
        )
        run = client.embedding.runs.wait(run.run_id, bars)
    output.show(run.result, as_json=as_json, words=lambda: _say(run))


def _say(run: Run) -> None:
    result = run.result
    output.say(
        f"{result['space']}: {result['vectors']:,} vectors of {result['dimensions']} dimensions; "
        f"{result['without']:,} images without one"
    )
    left = {"failed": "no direction", "unknown": "no such image", "repeated": "repeated"}
    for name, words in left.items():
        if result[name]:
            output.say(f"{result[name]:,} left out: {words}")
    for problem in result["problems"]:
        output.say(problem)
