"""The images that show what belongs to a class: taken out, found among its labelled ones, or named by row."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import streamlit as st

from hundredfold.chassis.errors import ServiceError
from hundredfold.client.types import MODEL_ORIGIN, LabelClass, Schema
from ui.backend import client, in_words
from ui.views.choice import Choice
from ui.words import number, say

MOST = 24
_OFFERED = 16
_A_LINE = 8

Change = Callable[[], Schema]


def show(choice: Choice, of: LabelClass) -> None:
    """Draw them, and what else may become one."""
    st.caption(say("setup.examples_are", most=MOST))
    offered = _offered(choice.collection, of)
    with st.form(f"examples {choice.collection} {of.class_id} {of.examples}", border=False):
        kept = _tiles(choice.collection, of.examples, ticked=True)
        if offered:
            st.caption(say("setup.offered"))
            kept += _tiles(choice.collection, offered, ticked=False)
        by_number = st.text_input(
            say("setup.rows"), placeholder="12, 40, 7", max_chars=400, help=say("setup.rows_help")
        )
        if st.form_submit_button(say("setup.save_examples"), icon=":material/save:"):
            _save(choice, of, [*kept, *rows_in(by_number)])


def rows_in(given: str) -> list[int]:
    """The row numbers in a text."""
    return [int(each) for each in re.findall(r"\d{1,15}", given)]


def do(change: Change, done: str = "") -> None:
    """Change a schema and draw anew, or say why not."""
    try:
        change()
    except ServiceError as error:
        st.error(in_words(error))
        return
    if done:
        st.toast(done, icon=":material/check:")
    st.rerun()


def _save(choice: Choice, of: LabelClass, rows: Sequence[int]) -> None:
    wanted = tuple(dict.fromkeys(rows))
    if len(wanted) > MOST:
        st.error(say("setup.too_many_examples", most=MOST))
        return
    changed = replace(of, examples=wanted)
    do(lambda: client().catalog.update_class(choice.collection, changed), say("setup.saved"))


def _tiles(collection: str, rows: Sequence[int], *, ticked: bool) -> list[int]:
    """Draw images with a box each; the rows of those ticked."""
    found: list[int] = []
    for begin in range(0, len(rows), _A_LINE):
        for row, place in zip(
            rows[begin : begin + _A_LINE], st.columns(_A_LINE, gap="small"), strict=False
        ):
            # The name of a collection has no sign that HTML knows, and a row is a number.
            place.html(
                f"<img class='example' alt='' src='/api/collections/{collection}/thumbnails/{int(row)}'>"
            )
            if place.checkbox(number(row), ticked, key=f"example {collection} {row}"):
                found.append(row)
    return found


def _offered(collection: str, of: LabelClass) -> list[int]:
    """Images that people gave this class, spread over all of them, without those that are examples."""
    try:
        head = client().labels.progress(collection).head_seq
        labelled = _labelled(collection, of.class_id, head)
    except ServiceError:
        return []
    left = [each for each in labelled if each not in of.examples]
    step = max(1, len(left) // _OFFERED)
    return left[::step][:_OFFERED]


@st.cache_data(max_entries=32, show_spinner=False)
def _labelled(collection: str, class_id: int, head_seq: int) -> list[int]:  # noqa: ARG001  # the key of the cache
    found = client().labels.labels(collection)
    of = (found.class_ids == class_id) & (found.origins != MODEL_ORIGIN)
    rows: list[int] = np.sort(found.rows[of])[:2_000].tolist()
    return rows
