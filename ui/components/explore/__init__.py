"""Explore: filters, the map of all images, the gallery of what was picked.

Its modules are in `modules/`; they talk to `ui.explore_routes` by themselves and need nothing from Streamlit but a
place, a collection, a name and a role.
"""

from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st

from ui.explore_routes import EXPLORE_MODULES
from ui.people import Role

_SCRIPT = f"""
const {{ mount }} = await import(`${{location.origin}}{EXPLORE_MODULES}/main.js`);
export default mount;
"""


@cache
def _component() -> Any:
    return st.components.v2.component(
        "hundredfold_explore",
        html='<div class="hfx" tabindex="-1"></div>',
        css=Path(__file__).with_name("explore.css").read_text("utf-8"),
        js=_SCRIPT,
    )


def explorer(collection: str, annotator: str, role: Role) -> None:
    """Show a collection to somebody; it fills what is left of the window."""
    data = {"collection": collection, "annotator": annotator, "role": int(role)}
    _component()(data=data, key="explore")
