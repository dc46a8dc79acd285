"""`hundredfold up`: every service and the UI on this machine."""

import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import click

import hundredfold
from hundredfold.chassis.config import DEFAULT_PORTS
from hundredfold.chassis.engine import ENGINES
from hundredfold.cli import output
from hundredfold.cli.processes import Child, Supervisor, inherited, redis_command, redis_server
from hundredfold.client import SERVICES, Client, Connection, pipeline

_START_SECONDS = 120.0


@click.command()
@click.argument("images", nargs=-1)
@click.option(
    "--store",
    default="hundredfold-data",
    show_default=True,
    type=click.Path(path_type=Path),
    help="Where everything is kept.",
)
@click.option(
    "--port",
    type=click.IntRange(1, 65_535),
    default=8501,
    show_default=True,
    help="Of the labelling UI.",
)
@click.option(
    "--base-port",
    # gRPC takes a larger port modulo 65,536.
    type=click.IntRange(1, 65_536 - len(DEFAULT_PORTS)),
    default=min(DEFAULT_PORTS.values()),
    show_default=True,
    help="Of the first service; the others follow.",
)
@click.option(
    "--engine",
    type=click.Choice(sorted(ENGINES)),
    default="local",
    show_default=True,
    help="Where bulk work is done: on this machine, or on the Ray cluster at RAY_ADDRESS.",
)
@click.option("--no-ui", is_flag=True, help="Only the services.")
def up(
    images: tuple[str, ...], store: Path, port: int, base_port: int, engine: str, no_ui: bool
) -> None:
    """Start every service and the labelling UI on this machine; Ctrl-C stops all.

    An end that was asked for, by Ctrl-C or SIGTERM, is a success.

    With IMAGES (folders, tables, tars) also bring them in and open their loops: each becomes a
    collection of its own name. All listen on 127.0.0.1 only and may read the folders of IMAGES,
    the current folder and your home.
    """
    # Also where a shell started us in the background, with SIGINT ignored.
    for asked in (signal.SIGINT, signal.SIGTERM):
        signal.signal(asked, signal.default_int_handler)
    store = store.absolute()
    store.mkdir(parents=True, exist_ok=True)
    sources = [Path(each).absolute() for each in images]
    for source in sources:
        if not source.exists():
            raise click.UsageError(f"{source} is not there")
    with tempfile.TemporaryDirectory(prefix="hundredfold-") as run_folder:
        environ = _environ(store, base_port, sources, Path(run_folder) / "redis.sock")
        environ.setdefault("HUNDREDFOLD_ENGINE", engine)
        supervisor = Supervisor(
            store / "processes.json",
            _children(environ, store, port, Path(run_folder), with_ui=not no_ui),
        )
        supervisor.start()
        try:
            _run(supervisor, environ, sources, port, with_ui=not no_ui)
        except KeyboardInterrupt:
            pass  # the end that was asked for
        finally:
            output.say("Stopping ..")
            supervisor.stop()


def _environ(store: Path, base_port: int, sources: list[Path], socket: Path) -> dict[str, str]:
    ports = {name: base_port + number for number, name in enumerate(DEFAULT_PORTS)}
    folders = [each if each.is_dir() else each.parent for each in sources]
    readable = [*map(str, folders), str(Path.cwd()), str(Path.home())]
    settings = {
        "HUNDREDFOLD_STORE": str(store),
        "HUNDREDFOLD_REDIS_URL": f"unix://{socket}",
        "HUNDREDFOLD_SOURCES": ";".join([*readable, str(store)]),
        "HUNDREDFOLD_LABELS_ROOTS": ";".join([str(Path.cwd()), str(Path.home())]),
        "PYTHONUNBUFFERED": "1",
        "PYTHONPATH": str(Path(hundredfold.__file__).parents[2]),
    }
    for name, number in ports.items():
        # A service is started where its callers will look for it.
        variable = f"HUNDREDFOLD_{name.upper()}_ADDRESS"
        address = os.environ.get(variable, f"127.0.0.1:{number}")
        settings |= {variable: address, f"HUNDREDFOLD_{name.upper()}_BIND": address}
    return inherited(**settings)


def _children(
    environ: Mapping[str, str], store: Path, port: int, run_folder: Path, *, with_ui: bool
) -> list[Child]:
    logs = store / "logs"
    children = [
        Child(name, [sys.executable, "-m", f"hundredfold.{name}"], environ, logs / f"{name}.log")
        for name in SERVICES
    ]
    if "HUNDREDFOLD_REDIS_URL" not in os.environ:
        program = redis_server()
        if program is None:
            raise click.ClickException(
                "there is no redis-server: install Debian's package redis-server, or the extra "
                "hundredfold[redis-embedded], or set HUNDREDFOLD_REDIS_URL"
            )
        command = redis_command(program, run_folder / "redis.sock", run_folder)
        children.insert(0, Child("redis", command, environ, logs / "redis.log"))
    if with_ui:
        children.append(Child("ui", _ui_command(port), environ, logs / "ui.log"))
    return children


def _ui_command(port: int) -> list[str]:
    app = Path(hundredfold.__file__).parents[2] / "ui" / "app.py"
    if not app.exists():
        raise click.ClickException(
            "the labelling UI is not part of the installed package: run from a checkout, or use --no-ui"
        )
    return [
        *(sys.executable, "-m", "streamlit", "run", str(app)),
        *("--server.port", str(port)),
        *("--server.address", "127.0.0.1"),
        *("--server.headless", "true"),
        *("--server.fileWatcherType", "none"),
        *("--browser.gatherUsageStats", "false"),
    ]


def _run(
    supervisor: Supervisor,
    environ: Mapping[str, str],
    sources: list[Path],
    port: int,
    *,
    with_ui: bool,
) -> None:
    with Client(Connection(environ)) as client:
        _wait_until_serving(supervisor, client)
        output.say(f"{len(SERVICES)} services are up; their logs are in {_logs(environ)}")
        if with_ui:
            output.say(f"Label at http://127.0.0.1:{port}/")
        worker = threading.Thread(target=_bootstrap_all, args=(client, sources, port), daemon=True)
        worker.start()
        while True:
            for child in supervisor.heal():
                output.say(f"{child.name} had ended and was started again:\n{child.last_words()}")
            time.sleep(0.5)


def _logs(environ: Mapping[str, str]) -> Path:
    return Path(environ["HUNDREDFOLD_STORE"]) / "logs"


def _wait_until_serving(supervisor: Supervisor, client: Client) -> None:
    until = time.monotonic() + _START_SECONDS
    waiting = set(SERVICES)
    while waiting:
        for child in supervisor.children:
            if not child.running:
                raise click.ClickException(f"{child.name} did not start:\n{child.last_words(15)}")
        waiting = {name for name in waiting if not client.is_serving(name)}
        if time.monotonic() > until:
            raise click.ClickException(
                f"not up after {_START_SECONDS:.0f} s: {', '.join(sorted(waiting))}"
            )
        time.sleep(0.1)


def _bootstrap_all(client: Client, sources: list[Path], port: int) -> None:
    for source in sources:
        collection = collection_name(source)
        begun = time.monotonic()
        try:
            with output.progress_bars() as bars:
                pipeline.bootstrap(client, str(source), collection, pipeline.Options({}), bars)
            _wait_for_first_page(client, collection)
        except Exception as error:  # noqa: BLE001 - the services stay up; the message says what to do
            output.say(
                f"{collection}: {error}\nRun it again: hundredfold bootstrap {source} --collection {collection}"
            )
            continue
        output.say(
            f"{collection}: the first page is ready after {time.monotonic() - begun:.0f} s: "
            f"http://127.0.0.1:{port}/?collection={collection}"
        )


def _wait_for_first_page(client: Client, collection: str) -> None:
    until = time.monotonic() + _START_SECONDS
    while not client.labels.progress(collection).ready_pages:
        if time.monotonic() > until:
            trouble = client.selection.get(collection).trouble
            raise click.ClickException(f"no page is ready: {trouble or 'the loop says nothing'}")
        time.sleep(0.2)


def collection_name(source: Path) -> str:
    """A collection's name for a source: that of its folder or file, in allowed characters."""
    return pipeline.named_after(source.as_posix())
