"""The Review view's component: history, doubtful labels, checks, copies and flags.

Its modules are in `modules/`; they talk to `ui.review_routes` by themselves and need nothing from Streamlit
but a place, a collection and a name.
"""

from ui.components.mounting import component
from ui.review_routes import MODULES


def review(collection: str, annotator: str) -> None:
    """Show what was done in a collection to an annotator; it fills what is left of the window."""
    component("review", "hf-review", MODULES)(
        data={"collection": collection, "annotator": annotator}, key="review"
    )
