"""What is compiled for this processor, made ready while nobody waits for it."""

import importlib
import threading

_MODULES = ("near.estimate", "near.joining", "near.values", "stars.stars", "lookup", "leaks")


def compile_ahead() -> threading.Thread:
    """Compile in a thread of its own, or read numba's cache; who needs a module meanwhile waits for it.

    It takes ten seconds the first time on a machine, half a second after that.
    """
    thread = threading.Thread(target=_compile, name="compile", daemon=True)
    thread.start()
    return thread


def _compile() -> None:
    for module in _MODULES:
        importlib.import_module(f"hundredfold.hashing.domain.{module}")
