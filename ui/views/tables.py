"""Tables and amounts as all views write them."""

import re
import time
from collections.abc import Sequence
from html import escape

import streamlit as st

from hundredfold.client.types import Run
from ui.words import number, say

_MARKDOWN = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~$:])")
_SIZES = ("common.bytes", "common.kilobytes", "common.megabytes", "common.gigabytes")


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, name: str = "") -> None:
    """Draw a table; cells are plain text. One with a `name` scrolls by itself when it is long."""
    head = "".join(f"<th>{escape(each)}</th>" for each in columns)
    body = "".join(
        f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows
    )
    long = f" class='scrolls {escape(name)}'" if name else ""
    st.html(f"<div{long}><table class='plain'><tr>{head}</tr>{body}</table></div>")


def literal(words: str) -> str:
    """Words from data, so that Markdown makes nothing of them."""
    return _MARKDOWN.sub(r"\\\1", words)


def duration(seconds: float) -> str:
    """Seconds in the unit that people would use."""
    if seconds < 90:
        return say("common.seconds", amount=number(seconds, ".0f"))
    if seconds < 5_400:
        return say("common.minutes", amount=number(seconds / 60, ",.0f"))
    return say("common.hours", amount=number(seconds / 3_600, ",.1f"))


def percent(share: float) -> str:
    """A share with as many digits as it has: 0.95 is 95 %, 0.985 is 98.5 %."""
    return say("common.percent", amount=number(100 * share, ".4g"))


def rounded(share: float) -> str:
    """A measured share, with one digit."""
    return say("common.percent", amount=number(100 * share, ".1f"))


def size(count: int) -> str:
    """Bytes in the unit that people would use."""
    amount, unit = float(count), 0
    while amount >= 1000 and unit < len(_SIZES) - 1:
        amount, unit = amount / 1000, unit + 1
    return say(_SIZES[unit], amount=number(amount, ".0f" if amount >= 10 or not unit else ".1f"))


def between(low: str, high: str) -> str:
    """Two ends."""
    return say("common.range", low=low, high=high)


def time_left(run: Run) -> str:
    """What is left of a run at its pace so far; empty while nobody knows."""
    passed = time.time() - run.started_at
    if run.state.ended or not (run.started_at and run.total and run.done) or passed < 1:
        return ""
    left = passed * (run.total - run.done) / run.done
    return say("common.time_left", time=duration(left))
