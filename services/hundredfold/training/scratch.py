"""Disk space for arrays that can be made again."""

import os
import tempfile
import threading
import weakref

import numpy as np
from numpy.typing import NDArray


class Scratch:
    """Memory-mapped arrays in nameless files, of which the kernel keeps in memory what is used.

    A file is gone when its array is, or the process, however that ended. Safe for threads.

    Args:
        folder: where; empty = the system's folder for temporary files. On a disk, not in memory.
        most_bytes: of all arrays together.
    """

    def __init__(self, folder: str, most_bytes: int) -> None:
        self._folder = folder or None
        self._most = most_bytes
        self._used = 0
        self._lock = threading.Lock()

    def array(self, shape: tuple[int, int]) -> NDArray[np.float16] | None:
        """Zeros to be written over, float16; None where that is more than is left."""
        size = 2 * shape[0] * shape[1]
        with self._lock:
            if not size or self._used + size > self._most:
                return None
            self._used += size
        try:
            array = self._mapped(shape, size)
        except OSError:  # the disk is full: what fits nowhere is made again each time
            self._release(size)
            return None
        weakref.finalize(array, self._release, size)
        return array

    def _mapped(self, shape: tuple[int, int], size: int) -> NDArray[np.float16]:
        with tempfile.TemporaryFile(dir=self._folder) as file:
            # A mapped file with holes would end the process where the disk is full.
            os.posix_fallocate(file.fileno(), 0, size)
            return np.memmap(file, np.float16, "r+", shape=shape)

    def _release(self, size: int) -> None:
        with self._lock:
            self._used -= size
