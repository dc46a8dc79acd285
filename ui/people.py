"""Who is at the screen, and what he may do.

As long as nobody is registered everybody who reaches the UI is the administrator of this machine, under the
name that he gives himself.
"""

from contextvars import ContextVar
from dataclasses import dataclass
from enum import IntEnum

from hundredfold.chassis.errors import PermissionDenied
from ui.words import say


class Role(IntEnum):
    """What a person may do; each also what those before it may (as `access.proto` has it)."""

    VIEWER = 1
    LABELER = 2
    REVIEWER = 3
    ADMIN = 4


@dataclass(frozen=True)
class Person:
    """Somebody at a screen; `name` is empty where anybody may give himself one."""

    name: str
    role: Role

    def need(self, least: Role) -> None:
        """Raise PermissionDenied unless he may do what this role may."""
        if self.role < least:
            raise PermissionDenied(say("people.needs", role=say(f"people.{least.name.lower()}")))

    def named(self, given: object) -> str:
        """The name under which he answers: his own, or where he has none the one given."""
        return self.name or str(given)


ANYBODY = Person("", Role.ADMIN)
_present: ContextVar[Person] = ContextVar("person", default=ANYBODY)


def person() -> Person:
    """Who asks, while a route or a view is at work."""
    return _present.get()
