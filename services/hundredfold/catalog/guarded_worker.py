"""The other side of `guarded.py`: what runs in a worker."""

import importlib
import json
import math
import resource
import signal
import sys
from multiprocessing.connection import Connection
from pathlib import Path

MAX_REQUEST = 16 << 20
OPEN_FILES = 128


def serve(descriptor: int, settings: str) -> None:
    """Do batches until the parent goes away.

    Args:
        descriptor: of the socket to the parent.
        settings: the JSON that `GuardedPool` sends.
    """
    told = json.loads(settings)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    module, _, name = told["work"].partition(":")
    work = getattr(importlib.import_module(module), name)(*told["arguments"])
    _limit(told["memory"])
    pipe = Connection(descriptor)
    pipe.send_bytes(b"")
    while True:
        try:
            texts = json.loads(pipe.recv_bytes(MAX_REQUEST))
        except EOFError:
            return
        results = iter(work(texts))
        for _ in texts:
            # The parent watches, but it may have been killed: then the alarm ends a worker that hangs.
            signal.alarm(math.ceil(3 * told["seconds"]))
            result = next(results)
            signal.alarm(0)
            pipe.send_bytes(result)


def _limit(memory: int) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    files = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    if sys.platform == "linux":
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        most = pages * resource.getpagesize() + memory
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
