"""Who is at the screen, and what he may do.

As long as nobody is registered everybody who reaches the UI is the administrator of this machine, under the
name that he gives himself. As soon as somebody is, nobody gets in without signing in.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from ui.registered import ANYBODY, COOKIE, NOBODY, Person, Role, registry

__all__ = ["ANYBODY", "NOBODY", "Person", "Role", "as_person", "person"]

_present: ContextVar[Person | None] = ContextVar("person", default=None)


def person() -> Person:
    """Who asks, while a route or a view is at work.

    In a view, also in one of its fragments, it is asked anew at each call: who is signed out meanwhile is nobody.
    """
    present = _present.get()
    if present is not None:
        return present
    in_view = get_script_run_ctx(suppress_warning=True) is not None
    return registry().person(st.context.cookies.get(COOKIE, "") if in_view else "")


@contextmanager
def as_person(who: Person) -> Iterator[None]:
    """A request of this person is at work meanwhile."""
    token = _present.set(who)
    try:
        yield
    finally:
        _present.reset(token)
