"""The grid: a page of images, one question, one key.

Its modules are in `modules/`; they talk to `ui.routes` by themselves and need nothing from Streamlit
but a place, a collection and a name.
"""

from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st

from ui.routes import MODULES

# Streamlit takes one piece of script; the modules come from the route beside it.
_SCRIPT = f"""
const {{ mount }} = await import(`${{location.origin}}{MODULES}/main.js`);
export default mount;
"""


@cache
def _component() -> Any:
    return st.components.v2.component(
        "hundredfold_grid",
        html='<div class="hf" tabindex="-1"></div>',
        css=Path(__file__).with_name("grid.css").read_text("utf-8"),
        js=_SCRIPT,
    )


def grid(collection: str, annotator: str) -> None:
    """Show the grid of a collection to an annotator; it fills what is left of the window."""
    _component()(data={"collection": collection, "annotator": annotator}, key="grid")
