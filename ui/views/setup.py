"""The Set-up view: images, classes, export and models of a collection; for administrators."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import streamlit as st

from hundredfold.chassis.errors import PermissionDenied
from ui.backend import in_words
from ui.people import Role, person
from ui.views import setup_classes, setup_export, setup_images, setup_models
from ui.views.choice import Choice
from ui.words import say

_SECTIONS = {
    "images": "setup.images",
    "classes": "setup.classes",
    "export": "setup.export",
    "models": "setup.models",
}
_ICONS = {
    "images": ":material/photo_library:",
    "classes": ":material/label:",
    "export": ":material/download:",
    "models": ":material/model_training:",
}


_CHOSEN = "section"


def _asked() -> str:
    """The section that the address names."""
    named = st.query_params.get("section", "")
    return named if named in _SECTIONS else "images"


def show(choice: Choice | None, pages: Mapping[str, Any] = MappingProxyType({})) -> None:
    """Draw the view; without a collection only how to make one.

    Args:
        choice: the collection.
        pages: `label`, to link to.
    """
    try:
        person().need(Role.ADMIN)
    except PermissionDenied as error:
        st.warning(in_words(error))
        return
    if choice is None:
        setup_images.first()
        return
    section = st.segmented_control(
        say("frame.setup"),
        list(_SECTIONS),
        format_func=lambda each: f"{_ICONS[each]} {say(_SECTIONS[each])}",
        key=_CHOSEN,
        default=_asked(),
        required=True,
        label_visibility="collapsed",
    )
    st.query_params["section"] = str(section)
    if section == "classes":
        setup_classes.show(choice)
    elif section == "export":
        setup_export.show(choice)
    elif section == "models":
        setup_models.show(choice)
    else:
        setup_images.show(choice, pages.get("label"))
