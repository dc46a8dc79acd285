"""Models: the networks that were tried and the heads, which is in use, and going back to another."""

from collections.abc import Callable, Sequence
from datetime import datetime

import streamlit as st

from hundredfold.chassis.errors import ServiceError
from hundredfold.client.types import BackboneRound, Head, Loop
from ui.backend import client, in_words
from ui.views.behind import verdict
from ui.views.choice import Choice
from ui.views.tables import duration, rounded, table
from ui.words import number, say

_HEADS = 12
_TUNING = "fine-tuning"
_DONE = "models changed"


def show(choice: Choice) -> None:
    """Draw the section."""
    st.subheader(say("setup.models_of", collection=choice.collection))
    try:
        loop = client().selection.get(choice.collection)
    except ServiceError as error:
        away = error.code != "NOT_FOUND"
        st.info(say("common.no_answer", why=in_words(error)) if away else say("setup.no_loop"))
        return
    _networks(loop)
    st.divider()
    _heads(choice.collection)


# --- networks -----------------------------------------------------------------------------------


def _networks(loop: Loop) -> None:
    st.markdown(f"**{say('setup.networks')}**")
    st.caption(say("setup.networks_are"))
    columns = [say("setup.network"), say("setup.when"), say("setup.from_labels")]
    columns += [say("setup.right_before_after"), say("setup.pure_before_after")]
    columns += [say("progress.took"), ""]
    origin = _origin(loop)
    first = [origin, "", "", "", "", "", _in_use(loop, origin) or say("setup.brought_in")]
    table(columns, [*(_network(loop, each) for each in loop.backbone_rounds[::-1]), first])
    usable = [each for each in _usable(loop) if each != loop.space]
    one, other = st.columns([3, 2], gap="large", vertical_alignment="bottom")
    with one:
        _go_back(loop, usable)
    with other:
        _tuning(loop)


def _origin(loop: Loop) -> str:
    return loop.backbone_rounds[0].before if loop.backbone_rounds else loop.space


def _usable(loop: Loop) -> list[str]:
    """The spaces that hold a vector of every image: the first, and those that were taken into use."""
    promoted = [each.after for each in loop.backbone_rounds if each.promoted]
    return list(dict.fromkeys([_origin(loop), *promoted]))


def _network(loop: Loop, tried: BackboneRound) -> list[str]:
    def shares(before: float, after: float) -> str:
        none = say("common.none")
        return f"{rounded(before)} → {rounded(after)}" if tried.images else none

    return [
        tried.after or say("common.none"),
        _when(tried.ended_at),
        number(tried.labels),
        shares(tried.accuracy_before, tried.accuracy_after),
        shares(tried.purity_before, tried.purity_after),
        duration(tried.seconds),
        _in_use(loop, tried.after) or verdict(tried),
    ]


def _in_use(loop: Loop, space: str) -> str:
    return f"● {say('setup.in_use')}" if space == loop.space else ""


def _go_back(loop: Loop, usable: list[str]) -> None:
    if not usable:
        st.caption(say("setup.no_other_network"))
        return
    begun = st.session_state.get(_DONE, 0)
    with st.popover(
        say("setup.use_network"), icon=":material/history:", key=f"use network {begun}"
    ):
        space = st.selectbox(say("setup.network"), usable, key="network to use")
        st.write(say("setup.use_network_does"))
        if st.button(say("setup.use_it"), key="use network now", type="primary") and space:
            _start(loop, space, loop.without)


def _tuning(loop: Loop) -> None:
    tunes = _TUNING not in loop.without
    wanted = st.toggle(
        say("setup.train_more"), tunes, key="train more", help=say("setup.train_more_help")
    )
    if wanted != tunes:
        others = [each for each in loop.without if each != _TUNING]
        _start(loop, loop.space, others if wanted else [*others, _TUNING])


def _start(loop: Loop, space: str, without: Sequence[str]) -> None:
    """Start the loop anew with another network, all else as it was."""
    try:
        client().selection.start(
            loop.collection,
            space=space,
            expected_classes=loop.expected_classes,
            page_size=loop.page_size,
            policy=loop.policy,
            target_accuracy=loop.target_accuracy,
            confidence=loop.confidence,
            auto_label=loop.auto_label,
            without=without,
        )
    except ServiceError as error:
        st.error(in_words(error))
    else:
        _changed()


# --- heads --------------------------------------------------------------------------------------


def _heads(collection: str) -> None:
    st.markdown(f"**{say('setup.heads')}**")
    st.caption(say("setup.heads_are"))
    try:
        heads = client().training.heads(collection)
    except ServiceError as error:
        st.warning(say("common.no_answer", why=in_words(error)))
        return
    if not heads:
        st.info(say("setup.no_heads"))
        return
    columns = [say("setup.head"), say("setup.when"), say("setup.from_labels")]
    columns += [say("setup.head_classes"), say("setup.measured_right"), say("setup.expected_right")]
    table([*columns, say("setup.network"), ""], [_head(each) for each in heads[:_HEADS]])
    _use_head(collection, heads)


def _head(head: Head) -> list[str]:
    none = say("common.none")
    return [
        head.model,
        _when(head.created_at),
        number(head.labels),
        number(len(head.class_ids)),
        rounded(head.accuracy) if head.accuracy else none,
        rounded(1 - head.expected_error) if head.expected_error else none,
        head.space,
        f"● {say('setup.in_use')}" if head.promoted else "",
    ]


def _use_head(collection: str, heads: list[Head]) -> None:
    others = [each.model for each in heads if not each.promoted]
    if not others:
        st.caption(say("setup.no_other_head"))
        return
    begun = st.session_state.get(_DONE, 0)
    one, other = st.columns([1, 4])
    with one.popover(
        say("setup.roll_back"),
        icon=":material/undo:",
        key=f"roll back {begun}",
        width="stretch",
    ):
        st.write(say("setup.head_holds"))
        if st.button(say("setup.roll_back_now"), key="roll back now", type="primary"):
            _do_head(lambda: client().training.roll_back(collection))
    with other.popover(
        say("setup.use_head"),
        icon=":material/swap_horiz:",
        key=f"use head {begun}",
    ):
        model = st.selectbox(say("setup.head"), others, key="head to use")
        st.write(say("setup.head_holds"))
        if st.button(say("setup.use_it"), key="use head now", type="primary") and model:
            _do_head(lambda: client().training.promote(collection, model))


def _do_head(change: Callable[[], Head]) -> None:
    try:
        change()
    except ServiceError as error:
        st.error(in_words(error))
    else:
        _changed()


def _changed() -> None:
    """Draw anew; with other keys the popovers are others, and closed."""
    st.session_state[_DONE] = st.session_state.get(_DONE, 0) + 1
    st.session_state.pop("train more", None)
    st.toast(say("setup.changed"), icon=":material/check:")
    st.rerun()


def _when(at: float) -> str:
    # In the time of the machine, as file names and logs have it.
    return datetime.fromtimestamp(at).strftime("%Y-%m-%d %H:%M") if at else ""  # noqa: DTZ006
