"""A labeller who acts in real time."""

import time


class Pace:
    """Holds a labeller back to the pace of the cost model.

    Args:
        factor: human seconds that pass in one second.
    """

    def __init__(self, factor: float) -> None:
        self._factor = factor
        self._due = time.monotonic()

    def waited(self, seconds: float) -> None:
        """He had nothing to do for so many seconds: what he does next begins later."""
        self._due += seconds

    def act(self, seconds: float) -> None:
        """Return when he has spent so many human seconds on a page.

        What the machine needed meanwhile, to measure for one, is part of them.
        """
        self._due += seconds / self._factor
        time.sleep(max(0.0, self._due - time.monotonic()))
