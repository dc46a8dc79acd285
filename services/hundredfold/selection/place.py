"""Where a loop stands: one state, kept in the store, that several threads change a part of each."""

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from hundredfold.chassis.errors import Aborted
from hundredfold.selection.state import LoopState
from hundredfold.selection.store import SelectionStore


class Place:
    """The state of a loop. Safe for threads.

    Args:
        state: where it stands.
        store: that keeps it.
    """

    def __init__(self, state: LoopState, store: SelectionStore) -> None:
        self._state = state
        self._store = store
        self._stopping = False
        self.changed = threading.Condition()

    @property
    def now(self) -> LoopState:
        """The state."""
        with self.changed:
            return self._state

    @property
    def ended(self) -> bool:
        """Whether the loop was asked to end."""
        with self.changed:
            return self._stopping

    def change(self, before: LoopState, **fields: Any) -> LoopState:
        """Change some fields, and keep the whole.

        Args:
            before: the state that the change was worked out from.
            fields: those that change; the others stay as they are now.

        Raises:
            Aborted: the loop was started anew since, or works in another space.
        """
        with self.changed:
            self.check(before)
            after = replace(self._state, **fields)
            self._store.save(after)
            self._state = after
            self.changed.notify_all()
            return after

    def check(self, before: LoopState) -> None:
        """Raise Aborted when what was worked out from a state is of no use any more."""
        with self.changed:
            now = self._state
            if self._stopping or (before.request_id, before.space) != (now.request_id, now.space):
                raise Aborted("the loop was started anew, works in another space or ends")

    def restart(self, after: Callable[[LoopState], LoopState]) -> None:
        """Go on with other settings."""
        with self.changed:
            state = after(self._state)
            self._store.save(state)
            self._state = state
            self.changed.notify_all()

    def stop(self) -> None:
        """Wake all who sleep; from then on nothing is changed."""
        with self.changed:
            self._stopping = True
            self.changed.notify_all()

    def sleep(
        self, seconds: float, or_until: Callable[[LoopState], bool] = lambda _: False
    ) -> None:
        """Wait, until it ends or the state is a certain one at the longest."""
        with self.changed:
            self.changed.wait_for(lambda: self._stopping or or_until(self._state), seconds)
