"""Tables and amounts as all views write them."""

from collections.abc import Sequence
from html import escape

import streamlit as st


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Draw a table; cells are plain text."""
    head = "".join(f"<th>{escape(each)}</th>" for each in columns)
    body = "".join(
        f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows
    )
    st.html(f"<table class='plain'><tr>{head}</tr>{body}</table>")


def duration(seconds: float) -> str:
    """Seconds in the unit that people would use."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:,.0f} min" if seconds < 5_400 else f"{seconds / 3_600:,.1f} h"


def percent(share: float) -> str:
    """A share with as many digits as it has: 0.95 is 95 %, 0.985 is 98.5 %."""
    return f"{100 * share:.4g} %"
