"""Files of runs at work, on a disk of this machine. None of them is an artifact."""

import errno
import json
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hundredfold.chassis.errors import ResourceExhausted

_BLOCK = 1 << 18


def scratch_folder(folder: str, root: str) -> Path:
    """Where runs have their files: as told, else in the store if that is on this machine.

    Args:
        folder: as told; empty = not.
        root: of the store.
    """
    if folder:
        return Path(folder)
    if "://" in root and not root.startswith("file://"):
        return Path(tempfile.gettempdir()) / "hundredfold-hashing"
    return Path(root.removeprefix("file://")).absolute() / "scratch" / "hashing"


@contextmanager
def told_when_full() -> Iterator[None]:
    """Tell who waits for a run that disk or memory were not enough.

    Raises:
        ResourceExhausted: SCRATCH_FULL or OUT_OF_MEMORY.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise ResourceExhausted(
            "the disk for files of runs at work is full; what was finished is kept, and the same call goes "
            "on from there once there is room",
            reason="SCRATCH_FULL",
        ) from error
    except MemoryError as error:
        raise ResourceExhausted(
            "there is not enough memory; what was finished is kept, and the same call goes on from there",
            reason="OUT_OF_MEMORY",
        ) from error


class KeptPairs:
    """Pairs of values in a file, which is there once all of them are.

    Args:
        folder: for the file and what a later step writes; files of other pairs in it are removed.
        name: tells these pairs from others.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._file = folder / f"{name}.values"
        self._folder = folder
        self.spill = folder / "spill"
        folder.mkdir(parents=True, exist_ok=True)
        for other in folder.iterdir():
            if other != self._file:
                _remove(other)

    @property
    def complete(self) -> bool:
        """Whether all pairs are there."""
        return self._file.exists()

    @property
    def count(self) -> int:
        """How many there are."""
        return self._file.stat().st_size // 16

    def fill(
        self, blocks: Iterable[NDArray[np.uint64]], tell: Callable[[int], None] = lambda _: None
    ) -> None:
        """Write blocks [m, 2]; `tell` is called with how many there are so far, and may raise."""
        unfinished = self._file.with_suffix(".unfinished")
        count = 0
        with unfinished.open("wb") as out:
            for block in blocks:
                out.write(np.ascontiguousarray(block).data)
                count += len(block)
                tell(count)
        unfinished.replace(self._file)

    def blocks(self) -> Iterator[NDArray[np.uint64]]:
        """Blocks [m, 2], as they were written."""
        with self._file.open("rb") as source:
            while len(values := np.fromfile(source, np.uint64, 2 * _BLOCK)):
                yield values.reshape(-1, 2)

    def remove(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self._folder, ignore_errors=True)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


def named(facts: object) -> str:
    """A name for files that are made of some facts."""
    import hashlib  # noqa: PLC0415

    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]
