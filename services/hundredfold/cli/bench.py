"""`hundredfold bench NAME`: the benchmarks of a checkout."""

import importlib.util
import inspect
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

import hundredfold
from hundredfold.cli import output
from hundredfold.cli.collections import json_option

_ROOT = Path(hundredfold.__file__).parents[2]
_FOLDER = _ROOT / "tests" / "benchmarks"


@click.command()
@click.argument("name", required=False)
@click.option(
    "--option",
    "options",
    multiple=True,
    metavar="KEY=VALUE",
    help="What to measure, for benchmarks that can be told; may be repeated.",
)
@json_option
def bench(name: str | None, options: tuple[str, ...], as_json: bool) -> None:
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
    told = _told(module.measure, options)
    measured = {"benchmark": name, "cores": os.cpu_count(), **module.measure(output.say, **told)}
    output.show(
        measured,
        as_json=as_json,
        words=lambda: output.table(
            ["", ""], [[str(key), str(each)] for key, each in measured.items()]
        ),
    )


def _told(measure: Callable[..., Any], options: Sequence[str]) -> dict[str, str]:
    """Options as keyword arguments of a benchmark, which names them in its signature."""
    known = [
        each.name
        for each in inspect.signature(measure).parameters.values()
        if each.kind is inspect.Parameter.KEYWORD_ONLY
    ]
    told = {}
    for option in options:
        key, equals, value = option.partition("=")
        if not equals or key not in known:
            raise click.BadParameter(
                f"{option!r}: give KEY=VALUE, KEY one of {', '.join(known) or 'none'}",
                param_hint="--option",
            )
        told[key] = value
    return told
