"""Classes: add, paste, change, show by examples, merge; usable with a thousand of them."""

from collections.abc import Mapping
from dataclasses import replace

import streamlit as st

from hundredfold.chassis.errors import ServiceError
from hundredfold.client.types import LabelClass, Progress, Schema
from ui.backend import client, in_words
from ui.views import setup_examples
from ui.views.choice import Choice
from ui.views.setup_examples import do
from ui.views.tables import literal
from ui.words import say

MOST_GUIDELINES = 4_000
_MOST_ADDED = 1_000
_MOST_NAME = 200
_TABLE_PIXELS = 380
_COLOURS = {
    "": "setup.colour_auto",
    "#3a5fd9": "setup.blue",
    "#1d8a5f": "setup.green",
    "#d98b1f": "setup.orange",
    "#c8412f": "setup.red",
    "#8a4fd1": "setup.purple",
    "#0f8fa8": "setup.teal",
    "#c2418f": "setup.pink",
    "#6b7280": "setup.grey",
}
_OWN = "own"
_TO_EDIT = "class to edit"


def show(choice: Choice) -> None:
    """Draw the section."""
    try:
        schema = client().catalog.schema(choice.collection)
        progress = client().labels.progress(choice.collection)
    except ServiceError as error:
        st.warning(say("common.no_answer", why=in_words(error)))
        return
    st.subheader(say("setup.classes_of", collection=choice.collection))
    _several(choice, schema)
    left, right = st.columns([3, 2], gap="large")
    with left:
        _overview(schema, progress.labels_by_class)
        _add(choice, schema)
    with right:
        if schema.in_use:
            of = _edit(choice, schema, progress)
        else:
            st.info(say("setup.no_classes"))
            return
    with st.expander(
        say("setup.examples_of", count=len(of.examples), name=literal(of.name)),
        icon=":material/image:",
    ):
        setup_examples.show(choice, of)


# --- all of them --------------------------------------------------------------------------------


def _several(choice: Choice, schema: Schema) -> None:
    if schema.classes:
        st.caption(say("setup.is_several") if schema.several else say("setup.is_single"))
        return
    wanted = st.toggle(
        say("setup.several"), schema.several, key="several", help=say("setup.several_help")
    )
    if wanted != schema.several:
        do(lambda: client().catalog.set_several(choice.collection, wanted))


def _overview(schema: Schema, counts: Mapping[int, int]) -> None:
    """A list that scrolls by itself; whoever picks a line edits that class."""
    wanted = st.text_input(
        say("setup.filter"),
        key="filter classes",
        placeholder=say("setup.filter"),
        label_visibility="collapsed",
        icon=":material/search:",
        live=True,
    )
    found = [each for each in schema.in_use if wanted.casefold() in each.name.casefold()]
    names = {each.class_id: each.name for each in schema.classes}
    rows = {
        say("setup.key"): [each.key for each in found],
        say("setup.class_name"): [each.name for each in found],
        say("setup.colour"): [_colour_name(each.color) for each in found],
        say("setup.parent"): [names.get(each.parent_id, "") for each in found],
        say("setup.labelled"): [counts.get(each.class_id, 0) for each in found],
        say("setup.examples"): [len(each.examples) for each in found],
    }
    picked = st.dataframe(
        rows,
        key="classes",
        hide_index=True,
        height=min(_TABLE_PIXELS, 37 + 35 * max(len(found), 1)),
        on_select="rerun",
        selection_mode="single-row",
        column_config={
            say("setup.key"): st.column_config.Column(width=50),
            say("setup.class_name"): st.column_config.Column(width=190),
        },
    )
    lines = picked["selection"]["rows"]
    line = (lines[0], wanted) if lines and lines[0] < len(found) else None
    if line and line != st.session_state.get("class line"):
        st.session_state[_TO_EDIT] = found[line[0]].class_id
    st.session_state["class line"] = line
    st.caption(say("setup.shown_of", shown=len(found), count=len(schema.in_use)))


def _colour_name(colour: str) -> str:
    return say(_COLOURS[colour]) if colour in _COLOURS else colour


# --- more of them -------------------------------------------------------------------------------


def _add(choice: Choice, schema: Schema) -> None:
    with st.form("add classes", clear_on_submit=True, border=False):
        given = st.text_area(
            say("setup.paste"),
            key="names of classes",
            placeholder=say("setup.paste_hint"),
            height=112,
            max_chars=400_000,
        )
        added = st.form_submit_button(
            say("setup.add_classes"), icon=":material/add:", type="primary", key="add classes now"
        )
    if added:
        _add_all(choice, schema, given)


def names_in(pasted: str) -> list[str]:
    """The names in pasted text: one a line, each once."""
    lines = (" ".join(line.split()) for line in pasted.replace("\t", " ").splitlines())
    return list(dict.fromkeys(line for line in lines if line))


def _add_all(choice: Choice, schema: Schema, pasted: str) -> None:
    names = names_in(pasted)
    if not names:
        st.error(say("setup.no_names"))
        return
    before = len(schema.in_use)
    try:
        for begin in range(0, len(names), _MOST_ADDED):
            schema = client().catalog.add_classes(
                choice.collection, names[begin : begin + _MOST_ADDED]
            )
    except ServiceError as error:
        st.error(in_words(error))
        return
    new = len(schema.in_use) - before
    words = [say("setup.added", count=new)]
    if len(names) > new:
        words.append(say("setup.there_already", count=len(names) - new))
    st.toast(", ".join(words), icon=":material/check:")
    st.rerun()


# --- one of them --------------------------------------------------------------------------------


def _edit(choice: Choice, schema: Schema, progress: Progress) -> LabelClass:
    """Draw the class that was chosen, and return it."""
    ids = [each.class_id for each in schema.in_use]
    by_id = {each.class_id: each for each in schema.in_use}
    if st.session_state.get(_TO_EDIT) not in by_id:
        st.session_state[_TO_EDIT] = ids[0]
    chosen = st.selectbox(
        say("setup.edit_class"), ids, format_func=lambda each: by_id[each].name, key=_TO_EDIT
    )
    of = by_id[chosen]
    st.caption(say("setup.has_labels", count=progress.labels_by_class.get(chosen, 0)))
    _fields(choice, schema, of)
    if len(ids) > 1:
        with st.expander(say("setup.merge"), icon=":material/merge:"):
            _merge(choice, schema, of, progress.labels_by_class)
    return of


def _fields(choice: Choice, schema: Schema, of: LabelClass) -> None:
    at = f"{choice.collection} {of.class_id} {schema.version}"
    with st.form(f"class {at}", border=True):
        name = st.text_input(say("setup.class_name"), of.name, max_chars=_MOST_NAME)
        one, two, three = st.columns([1, 2, 1], vertical_alignment="bottom")
        key = one.text_input(say("setup.key"), of.key, max_chars=1, help=say("setup.key_help"))
        named = [*_COLOURS, _OWN]
        colour = two.selectbox(
            say("setup.colour"),
            named,
            index=named.index(of.color.lower() if of.color.lower() in _COLOURS else _OWN),
            format_func=lambda each: (
                say("setup.own_colour") if each == _OWN else say(_COLOURS[each])
            ),
        )
        own = three.color_picker(say("setup.own_colour"), of.color or "#3a5fd9")
        parents = [0, *(each.class_id for each in _possible_parents(schema, of))]
        names = {each.class_id: each.name for each in schema.classes}
        parent = st.selectbox(
            say("setup.parent"),
            parents,
            index=parents.index(of.parent_id) if of.parent_id in parents else 0,
            format_func=lambda each: names[each] if each else say("setup.no_parent"),
            help=say("setup.parent_help"),
        )
        guideline = st.text_area(
            say("setup.guidelines"),
            of.guideline,
            max_chars=max(MOST_GUIDELINES, len(of.guideline)),
            height=110,
            placeholder=say("setup.guidelines_hint"),
        )
        saved = st.form_submit_button(say("setup.save"), icon=":material/save:", type="primary")
    if saved:
        changed = replace(
            of,
            name=name.strip(),
            key=key.strip(),
            color=own if colour == _OWN else colour,
            parent_id=parent,
            guideline=guideline,
        )
        _save(choice, schema, changed)


def _save(choice: Choice, schema: Schema, changed: LabelClass) -> None:
    wrong = wrong_with(schema, changed)
    if wrong:
        st.error(wrong)
        return
    do(lambda: client().catalog.update_class(choice.collection, changed), say("setup.saved"))


def wrong_with(schema: Schema, changed: LabelClass) -> str:
    """What is wrong with a changed class, in a sentence; empty when nothing is."""
    others = [each for each in schema.in_use if each.class_id != changed.class_id]
    if not changed.name:
        return say("setup.needs_name")
    if any(each.name == changed.name for each in others):
        return say("setup.class_name_taken", name=literal(changed.name))
    if schema.several and ";" in changed.name:
        return say("setup.no_semicolon")
    taken = next((each.name for each in others if changed.key and each.key == changed.key), "")
    if taken:
        return say("setup.key_taken", sign=literal(changed.key), name=literal(taken))
    return ""


def _possible_parents(schema: Schema, of: LabelClass) -> list[LabelClass]:
    """All but the class itself and what is below it."""
    above = {each.class_id: each.parent_id for each in schema.classes}

    def below(class_id: int) -> bool:
        while class_id and class_id != of.class_id:
            class_id = above.get(class_id, 0)
        return bool(class_id)

    return [each for each in schema.in_use if not below(each.class_id)]


def _merge(choice: Choice, schema: Schema, of: LabelClass, counts: Mapping[int, int]) -> None:
    others = {each.class_id: each for each in schema.in_use if each.class_id != of.class_id}
    into = st.selectbox(
        say("setup.merge_into"),
        list(others),
        index=None,
        format_func=lambda each: others[each].name,
        key=f"merge {of.class_id} into",
        placeholder=say("setup.choose_class"),
    )
    if into is None:
        st.caption(say("setup.merge_choose"))
        return
    st.markdown(
        say(
            "setup.merge_does",
            count=counts.get(of.class_id, 0),
            name=literal(of.name),
            into=literal(others[into].name),
        )
    )
    if st.button(say("setup.merge_now"), key="merge now", icon=":material/merge:", type="primary"):
        do(
            lambda: client().catalog.merge_classes(choice.collection, merge=of.class_id, into=into),
            say("setup.merged"),
        )
