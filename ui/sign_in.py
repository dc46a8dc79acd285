"""The form that lets somebody in, his name in the bar, and which views are for whom."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import streamlit as st
from streamlit.auth_util import is_authlib_installed
from streamlit.navigation.page import StreamlitPage

from hundredfold.chassis.errors import ServiceError
from ui.oidc import provider, subjects
from ui.people import Person, Role, person
from ui.registered import registry
from ui.routes import MODULES
from ui.words import say

_LEAST = {"review": Role.LABELER, "explore": Role.VIEWER, "progress": Role.VIEWER}
_LEAST_OF_LABEL = Role.LABELER
_LEAST_OF_OTHERS = Role.ADMIN


def passed() -> bool:
    """Whether somebody may see more than the form, which is drawn otherwise."""
    if person().role is not Role.NOBODY:
        return True
    ticket, note = _vouched()
    data = {"local": True, "provider": registry().oidc, "ticket": ticket, "note": note}
    with st.container(key="fill"):
        _component("form")(data=data, key="sign in", on_provider_change=_to_provider)
    return False


def open_to(who: Person, views: Sequence[StreamlitPage]) -> list[StreamlitPage]:
    """The views that are for people of his role."""
    return [each for each in views if who.role >= _least(each)]


def _least(view: StreamlitPage) -> Role:
    """The page at no path of its own is the home page, where people label."""
    at = view.url_path
    return _LEAST.get(at, _LEAST_OF_OTHERS) if at not in {"", "label"} else _LEAST_OF_LABEL


def name_in_bar(who: Person) -> None:
    """Who is signed in, and the way out."""
    role = say(f"people.{who.role.name.lower()}")
    data = {
        "name": who.name,
        "role": role,
        "told": say("people.signed_in", name=who.name, role=role),
        "out": say("people.sign_out"),
        "local": True,
        "provider": registry().oidc,
        "vouched": registry().oidc and bool(st.user.is_logged_in),
    }
    _component("person")(data=data, key="person", on_out_change=st.logout)


def _vouched() -> tuple[str, str]:
    """A ticket for somebody whom a provider vouches for; or why he gets none."""
    if not registry().oidc:
        return "", "" if _anybody_registered() else say("sign_in.no_people")
    if not is_authlib_installed():
        return "", say("sign_in.no_provider")
    if not st.user.is_logged_in:
        return "", ""
    told = subjects(st.user.to_dict())
    try:
        registry().by_oidc(told)
    except ServiceError as error:
        return "", f"{error.message}."
    return registry().ticket(told[0]), ""


def _anybody_registered() -> bool:
    try:
        return bool(registry().users().users)
    except ServiceError:
        return True  # he is told when he tries


def _to_provider() -> None:
    """To the provider's own page, or out of there for somebody who is not known here."""
    if st.user.is_logged_in:
        st.logout()
    else:
        st.login(provider())


@cache
def _component(name: str) -> Any:
    mount = {"form": "mountForm", "person": "mountPerson"}[name]
    place = {"form": "sign-in-page", "person": "person"}[name]
    return st.components.v2.component(
        f"hundredfold_{name}",
        html=f'<div class="{place}"></div>',
        js=f"const {{ {mount} }} = await import(`${{location.origin}}{MODULES}/signing_in.js`);\n"
        f"export default {mount};\n",
    )
