"""Work for the guarded pool: what a text says is what happens."""

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path


def perform(folder: str) -> Callable[[Sequence[str]], Iterator[bytes]]:
    return lambda texts: (_act(text, Path(folder)) for text in texts)


def refuse() -> None:
    raise RuntimeError("this worker does not start")


def _act(text: str, folder: Path) -> bytes:
    (folder / str(os.getpid())).touch()
    verb, _, argument = text.partition(" ")
    if verb == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if verb == "die-once" and not (folder / argument).exists():
        (folder / argument).touch()
        os.kill(os.getpid(), signal.SIGSEGV)
    if verb == "hang":
        while True:  # not even a Python signal handler would end a decoder that does this
            pass
    if verb == "eat":
        return bytes(len(bytearray(int(argument))))[:1]
    if verb == "big":
        return bytes(int(argument))
    return text.encode()
