"""How long work tells how far it is."""

from collections.abc import Callable

Progress = Callable[[int, int], None]
"""Called with (steps done, steps in all); what it raises ends the work."""


def silent(done: int, total: int) -> None:
    """Tell nobody."""
