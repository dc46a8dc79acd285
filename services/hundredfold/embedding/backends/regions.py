"""System shared memory between this process and a Triton server on the same machine."""

import contextlib
import fcntl
import ipaddress
import mmap
import os
import secrets
import threading
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from tritonclient import grpc as triton
from tritonclient.utils import InferenceServerException

from hundredfold.embedding.backends.calls import is_away

FOLDER = Path("/dev/shm")  # noqa: S108  where POSIX shared memory is on Linux
PREFIX = "hundredfold-triton-"
EXTENSION = "system_shared_memory"

_SECONDS = 2.0
_QUARANTINE_SECONDS, _MOST_RETIRED = 60.0, 32
"""A call that was given up may still be answered into its region, for so long at most."""


class NoSharedMemory(Exception):
    """It can't be used; the message says why."""


class Region:
    """A piece of shared memory, locked as long as its process lives.

    Args:
        size: in bytes.
        folder: where shared memory is.

    Raises:
        OSError: there is no room for it.

    Attributes:
        name: its name at the server, and in the file system.
        memory: its bytes.
    """

    def __init__(self, size: int, folder: Path = FOLDER) -> None:
        self.name = PREFIX + secrets.token_hex(12)
        self._path = folder / self.name
        draft = folder / f".{self.name}"
        self._file = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        # Locked before it has its name: nobody can take it for one whose process is dead.
        fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        draft.rename(self._path)
        try:
            # Pages that a full file system lacks would be a SIGBUS later; so they are asked for now.
            os.posix_fallocate(self._file, 0, size)
            self.memory = mmap.mmap(self._file, size)
        except OSError:
            self._path.unlink()
            os.close(self._file)
            raise

    def close(self) -> None:
        """Remove the file; its memory goes when neither side maps it any more."""
        self._path.unlink(missing_ok=True)
        with contextlib.suppress(
            BufferError
        ):  # an array still looks at it, and lets go of it later
            self.memory.close()
        os.close(self._file)


class Regions:
    """Regions that a server knows, used again and again. Safe for threads.

    Args:
        client: of the server.
        folder: where shared memory is.

    Raises:
        NoSharedMemory: the server has none of it.
        InferenceServerException: it is away.
    """

    def __init__(self, client: triton.InferenceServerClient, folder: Path = FOLDER) -> None:
        self._client = client
        self._folder = folder
        self._lock = threading.Lock()
        self._free: list[Region] = []
        self._retired: deque[tuple[float, Region]] = deque()
        if EXTENSION not in client.get_server_metadata(client_timeout=_SECONDS).extensions:
            raise NoSharedMemory("the server was built without it")
        self._sweep()

    def take(self, size: int) -> Region:
        """A region of at least `size` bytes that nobody else uses.

        Raises:
            NoSharedMemory: there is no room, or the server can't see it.
            InferenceServerException: the server is away.
        """
        with self._lock:
            free, self._free = self._free, []
            fits = [region for region in free if len(region.memory) >= size]
            self._free = fits[1:]
            small = [region for region in free if len(region.memory) < size]
        for region in small:
            self._drop(region)
        return fits[0] if fits else self._make(size)

    def give_back(self, region: Region) -> None:
        """The server has answered: the region may be used again."""
        with self._lock:
            self._free.append(region)

    def retire(self, region: Region) -> None:
        """The server did not answer and may write into the region yet: it is not used again."""
        now = time.monotonic()
        over = []
        with self._lock:
            self._retired.append((now, region))
            while (
                now - self._retired[0][0] > _QUARANTINE_SECONDS
                or len(self._retired) > _MOST_RETIRED
            ):
                over.append(self._retired.popleft()[1])
        for each in over:
            self._drop(each)

    def forget(self) -> None:
        """The server was started again and knows no region any more."""
        with self._lock:
            free, self._free = self._free, []
        for region in free:
            region.close()

    def close(self) -> None:
        """Unregister all regions by name and remove them."""
        with self._lock:
            regions = [*self._free, *(region for _, region in self._retired)]
            self._free, self._retired = [], deque()
        for region in regions:
            self._drop(region)

    def _make(self, size: int) -> Region:
        try:
            region = Region(-(-size // mmap.PAGESIZE) * mmap.PAGESIZE, self._folder)
        except OSError as error:
            raise NoSharedMemory(f"no room in {self._folder}: {error.strerror}") from error
        try:
            self._client.register_system_shared_memory(
                region.name, f"/{region.name}", len(region.memory), client_timeout=_SECONDS
            )
        except InferenceServerException as error:
            region.close()
            if is_away(error):
                raise
            raise NoSharedMemory(str(error.message())) from error
        return region

    def _drop(self, region: Region) -> None:
        self._unregister(region.name)
        region.close()

    def _unregister(self, name: str) -> None:
        # A server that was started again does not know it, or is away: then nothing is left to do.
        with contextlib.suppress(InferenceServerException):
            self._client.unregister_system_shared_memory(name, client_timeout=_SECONDS)

    def _sweep(self) -> None:
        """Clean up behind processes that were killed: their files, and what the server maps of them."""
        for path in _abandoned(self._folder):
            path.unlink(missing_ok=True)
        known = self._client.get_system_shared_memory_status(client_timeout=_SECONDS).regions
        gone = [
            name for name in known if name.startswith(PREFIX) and not (self._folder / name).exists()
        ]
        for name in gone:
            self._unregister(name)


def is_local(url: str) -> bool:
    """Whether an address is of this machine for sure: loopback or a Unix socket."""
    if url.startswith("unix:"):
        return True
    host = url.removeprefix("dns:///").rpartition(":")[0].strip("[]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _abandoned(folder: Path) -> Iterator[Path]:
    for path in folder.glob(f"{PREFIX}*"):
        try:
            file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except OSError:  # gone meanwhile, or of another user
            continue
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield path
        except BlockingIOError:
            continue
        finally:
            os.close(file)
