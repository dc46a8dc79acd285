"""`hundredfold bench NAME`: the benchmarks of a checkout."""

import importlib.util
import os
import sys
from pathlib import Path

import click

import hundredfold
from hundredfold.cli import output
from hundredfold.cli.collections import json_option

_ROOT = Path(hundredfold.__file__).parents[2]
_FOLDER = _ROOT / "tests" / "benchmarks"


@click.command()
@click.argument("name", required=False)
@json_option
def bench(name: str | None, as_json: bool) -> None:
    """Run benchmark NAME and print what it measured; without NAME list them."""
    found = {path.stem: path for path in sorted(_FOLDER.glob("[a-z]*.py"))}
    if name is None:
        output.show(sorted(found), as_json=as_json, words=lambda: click.echo("\n".join(found)))
        return
    if name not in found:
        raise click.UsageError(
            f"there is no benchmark {name!r}: {', '.join(found) or 'run from a checkout'}"
        )
    spec = importlib.util.spec_from_file_location(f"benchmarks.{name}", found[name])
    if spec is None or spec.loader is None:
        raise click.ClickException(f"{found[name]} can't be loaded")
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(_ROOT))  # a benchmark may use what the tests use
    spec.loader.exec_module(module)
    measured = {"benchmark": name, "cores": os.cpu_count(), **module.measure(output.say)}
    output.show(
        measured,
        as_json=as_json,
        words=lambda: output.table(
            ["", ""], [[str(key), str(each)] for key, each in measured.items()]
        ),
    )
