"""The grid: a page of images, one question, one key.

Its modules are in `modules/`; they talk to `ui.routes` by themselves and need nothing from Streamlit
but a place, a collection and a name.
"""

from ui.components.mounting import component
from ui.routes import MODULES


def grid(collection: str, annotator: str) -> None:
    """Show the grid of a collection to an annotator; it fills what is left of the window."""
    component("grid", "hf", MODULES)(
        data={"collection": collection, "annotator": annotator}, key="grid"
    )
