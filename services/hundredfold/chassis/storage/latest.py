"""Folders with one subfolder a run, and a `latest.json` that names the newest run that is complete."""

import time
from pathlib import PurePosixPath

from hundredfold.chassis.errors import Conflict, InvalidArgument, NotFound
from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.manifest import JSON, Manifest
from hundredfold.chassis.storage.store import ArtifactStore, damaged

_MADE_AT = "made_at"


def latest(store: ArtifactStore, pointer: str) -> str:
    """The run that a `latest.json` names; "" when there is none.

    Raises:
        Conflict: ARTIFACT_DAMAGED.
    """
    try:
        return layout.check_run(store.read_json(pointer)["run"])
    except NotFound:
        return ""
    except (KeyError, TypeError, InvalidArgument) as error:
        raise damaged(pointer, "names no run") from error


def made_at(manifest: Manifest) -> float:
    """Unix seconds at which `make_latest` took up the run of a manifest; 0 when it never did."""
    return float(manifest.meta.get(_MADE_AT, 0))


def make_latest(
    store: ArtifactStore, pointer: str, manifest: Manifest, *, keep: int, **facts: JSON
) -> None:
    """Save the manifest of a run whose artifacts are written, point to it, and forget the oldest runs.

    What a kill left half made is forgotten too.

    Args:
        store: the artifact store.
        pointer: the `latest.json`, beside the folder of the run.
        manifest: of the run.
        keep: how many runs stay, this one included.
        facts: what the pointer says besides the run.
    """
    folder = PurePosixPath(manifest.folder)
    manifest.set_meta(**{_MADE_AT: time.time()})
    manifest.save()
    store.write_json(pointer, {"run": folder.name, **facts})
    names = {*store.list(str(folder.parent))} - {PurePosixPath(pointer).name, folder.name}
    ages = sorted(((_age(store, f"{folder.parent}/{name}"), name) for name in names), reverse=True)
    for place, (made, name) in enumerate(ages):
        if place >= keep - 1 or not made:
            store.delete(f"{folder.parent}/{name}")


def _age(store: ArtifactStore, folder: str) -> float:
    try:
        return made_at(Manifest.load(store, folder))
    except Conflict:  # damaged: no run that anybody can read
        return 0.0
