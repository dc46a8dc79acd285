"""The Review view's component: history, doubtful labels, checks, copies and flags.

Its modules are in `modules/`; they talk to `ui.review_routes` by themselves and need nothing from Streamlit
but a place, a collection and a name.
"""

from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st

from ui.review_routes import MODULES

_SCRIPT = f"""
const {{ mount }} = await import(`${{location.origin}}{MODULES}/main.js`);
export default mount;
"""


@cache
def _component() -> Any:
    return st.components.v2.component(
        "hundredfold_review",
        html='<div class="hf-review" tabindex="-1"></div>',
        css=Path(__file__).with_name("review.css").read_text("utf-8"),
        js=_SCRIPT,
    )


def review(collection: str, annotator: str) -> None:
    """Show what was done in a collection to an annotator; it fills what is left of the window."""
    _component()(data={"collection": collection, "annotator": annotator}, key="review")
