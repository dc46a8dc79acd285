"""The map of a space beside umap-learn: `hundredfold bench map`.

Lays out vectors as a Project run does and as umap-learn does, the same rows on both sides, each in a process of its own. Told: seconds,
memory, and how true the maps are. With a folder of features of real images those are laid out too, set by set.
"""

import json
import os
import subprocess
import sys
import tempfile
import venv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.index.domain.parts import VectorParts
from hundredfold.index.maps import Maps
from hundredfold.index.spaces import Spaces
from tests.benchmarks.mapping import peer as peer_script
from tests.benchmarks.mapping.judged import judged
from tests.benchmarks.mapping.ours import SPACE
from tests.benchmarks.vectors.made import maker
from tests.benchmarks.vectors.stored import write_made, write_parts

ALL, SAMPLE = "all", "sample"
_ROOT = Path(__file__).parents[2]
_INSTALL_SECONDS = 600
_STORE = "store"


def measure(
    say: Callable[[str], None],
    *,
    rows: str = "200000",
    peer_rows: str = "0",
    dimensions: str = "0",
    folder: str = "",
    peers: str = "yes",
    temporary: str = "",
) -> dict[str, Any]:
    """Make vectors and lay them out.

    Args:
        say: progress, in words.
        rows: how many vectors.
        peer_rows: so many of them are laid out by both; 0 = all.
        dimensions: of each; 0 = those of the features, or 128 for made up ones.
        folder: of `.npz` with `vectors`, features of images; "" = clustered noise.
        peers: "no" to leave umap-learn out, else a Python that has it, or "yes" to install it.
        temporary: where files go: 4 bytes a number.
    """
    made = maker(folder, int(dimensions))
    with tempfile.TemporaryDirectory(dir=temporary or None) as scratch:
        root = Path(scratch)
        store = ArtifactStore(str(root / _STORE))
        write_made(store, ALL, SPACE, made, int(rows))
        say(f"{int(rows):,} vectors are in the store: {made.what}")
        names = [ALL, *_sample(store, int(peer_rows)), *_real(store, folder)]
        told = {
            name: {"rows": len(_vectors(store, name)), "ours": _ours(store, root, name, say)}
            for name in names
        }
        compared = [name for name in names if name != ALL or SAMPLE not in names]
        for name, theirs in _theirs(store, root, compared, peers, say):
            told[name]["umap_learn"] = theirs
        return {"vectors": made.what, "dimensions": made.base.shape[1], "maps": told}


def _sample(store: ArtifactStore, rows: int) -> Iterator[str]:
    """Write the rows that both lay out when those are not all."""
    vectors = _vectors(store, ALL)
    if 0 < rows < len(vectors):
        chosen = np.sort(np.random.default_rng(0).choice(len(vectors), rows, replace=False))
        write_parts(store, SAMPLE, SPACE, _in_parts(vectors.stored(chosen)))
        yield SAMPLE


def _real(store: ArtifactStore, folder: str) -> Iterator[str]:
    """Write the features of each set of images as they are."""
    for file in sorted(Path(folder).glob("*.npz")) if folder else ():
        write_parts(store, file.stem, SPACE, _in_parts(np.load(file)["vectors"]))
        yield file.stem


def _in_parts(vectors: np.ndarray[Any, Any]) -> list[np.ndarray[Any, Any]]:
    return [vectors[at : at + layout.PART_ROWS] for at in range(0, len(vectors), layout.PART_ROWS)]


def _vectors(store: ArtifactStore, name: str) -> VectorParts:
    return Spaces(store).read(name, SPACE).vectors


def _ours(
    store: ArtifactStore, root: Path, name: str, say: Callable[[str], None]
) -> dict[str, Any]:
    path = os.pathsep.join([str(_ROOT / "services"), str(_ROOT)])
    command = [sys.executable, "-m", "tests.benchmarks.mapping.ours", str(root / _STORE), name]
    done = subprocess.run(
        command,
        env={**os.environ, "PYTHONPATH": path},
        cwd=_ROOT,
        check=True,
        stdout=subprocess.PIPE,
    )
    told = json.loads(done.stdout)
    points = np.asarray(Maps(store).read(name, "").points)
    say(f"{name}: {told['wall_s']} s")
    return {**told, **judged(_vectors(store, name), points)}


def _theirs(
    store: ArtifactStore, root: Path, names: list[str], asked: str, say: Callable[[str], None]
) -> Iterator[tuple[str, dict[str, Any]]]:
    if asked == "no":
        return
    try:
        python = _installed(root / "peers") if asked == "yes" else asked
    except subprocess.SubprocessError as error:
        yield names[0], {"skipped": f"umap-learn can't be installed: {error}"}
        return
    say("laying out by umap-learn")
    # The small ones first, so that the compiler has done when the large come.
    names = sorted(names, key=lambda name: len(_vectors(store, name)))
    files: list[str] = []
    for name in names:
        files += [str(root / f"{name}-{what}.npy") for what in ("vectors", "points")]
        vectors = _vectors(store, name)
        np.save(files[-2], vectors.stored(np.arange(len(vectors))))
    done = subprocess.run(
        [python, str(peer_script.__file__), *files], check=True, stdout=subprocess.PIPE
    )
    for name, told, file in zip(names, json.loads(done.stdout), files[1::2], strict=True):
        yield name, {**told, **judged(_vectors(store, name), np.load(file))}


def _installed(folder: Path) -> str:
    """A Python with the peer, in an environment of its own."""
    venv.create(folder, with_pip=True)
    python = str(folder / "bin" / "python")
    command = [python, "-m", "pip", "install", "--quiet", "numpy", "umap-learn"]
    subprocess.run(command, check=True, timeout=_INSTALL_SECONDS, stdout=sys.stderr)
    return python
