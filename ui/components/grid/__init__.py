"""The grid: a page of images, one question, one key.

Its script is `grid.js`; it talks to `ui.routes` by itself and needs nothing from Streamlit but its place.
"""

from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st

_HERE = Path(__file__).parent


@cache
def _component() -> Any:
    return st.components.v2.component(
        "hundredfold_grid",
        html='<div class="hf" tabindex="-1"></div>',
        css=(_HERE / "grid.css").read_text("utf-8"),
        js=(_HERE / "grid.js").read_text("utf-8"),
    )


def grid(collection: str, annotator: str) -> None:
    """Show the grid of a collection for an annotator."""
    _component()(
        data={"collection": collection, "annotator": annotator},
        key=f"grid-{collection}",
        height="content",
    )
