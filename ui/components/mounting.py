"""How a view that is drawn in the browser is put into Streamlit's page."""

from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st

_HERE = Path(__file__).parent


@cache
def component(name: str, element: str, modules: str) -> Any:
    """A component: an element of this class, styled by `<name>/<name>.css`, which `<modules>/main.js` fills.

    Streamlit takes one piece of script; the modules come from the route beside it. Colours are the same for all.
    """
    sheets = _HERE / "colours.css", _HERE / name / f"{name}.css"
    return st.components.v2.component(
        f"hundredfold_{name}",
        html=f'<div class="{element}" tabindex="-1"></div>',
        css="\n".join(each.read_text("utf-8") for each in sheets),
        js=f"""
const {{ mount }} = await import(`${{location.origin}}{modules}/main.js`);
export default mount;
""",
    )
