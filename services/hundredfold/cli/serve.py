"""`hundredfold serve SERVICE`."""

import importlib
import sys

import click

from hundredfold.client import SERVICES


@click.command()
@click.argument("service", type=click.Choice(SERVICES))
def serve(service: str) -> None:
    """Run one service until it is told to stop.

    It is configured by HUNDREDFOLD_<SERVICE>_* variables: `python -m pydoc hundredfold.SERVICE.config`.
    """
    try:
        module = importlib.import_module(f"hundredfold.{service}.__main__")
    except ModuleNotFoundError as error:
        raise click.ClickException(
            f"{error.name} is not installed: pip install 'hundredfold[{service}]'"
        ) from error
    sys.exit(module.main())
