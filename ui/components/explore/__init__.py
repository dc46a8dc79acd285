"""Explore: filters, the map of all images, the gallery of what was picked.

Its modules are in `modules/`; they talk to `ui.explore_routes` by themselves and need nothing from Streamlit but a
place, a collection, a name and a role.
"""

from ui.components.mounting import component
from ui.explore_routes import EXPLORE_MODULES
from ui.people import Role


def explorer(collection: str, annotator: str, role: Role) -> None:
    """Show a collection to somebody; it fills what is left of the window."""
    data = {"collection": collection, "annotator": annotator, "role": int(role)}
    component("explore", "hfx", EXPLORE_MODULES)(data=data, key="explore")
