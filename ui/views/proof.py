"""The proof: a target, the random checks on the way to it, the certificate at the end."""

import streamlit as st

from hundredfold.chassis.errors import ServiceError
from hundredfold.client.types import Audit, Loop, Progress
from ui import wire
from ui.backend import client, in_words
from ui.views.choice import Choice
from ui.views.tables import percent

_USUAL_TARGET = 95.0
_BEGUN = "targets set"
_LABELLED = "every image is labelled"


def show(choice: Choice, loop: Loop, progress: Progress, *, several: bool = False) -> None:
    """Draw where the proof stands, and what can be done about it; with several classes an image each has its own."""
    audit = _audit(loop)
    with st.container(border=True, key="proof"):
        words, deeds = st.columns([4, 1], vertical_alignment="center")
        with words, st.container(gap="xxsmall"):
            _tell(loop, audit, progress, several=several)
            if several:
                st.caption(
                    "An image may be of several classes here: each class is checked and proved by itself."
                )
        with deeds:
            if loop.proved_accuracy and audit and audit.certificate_seq:
                _take_back(choice, audit)
            _set_target(loop)


def _audit(loop: Loop) -> Audit | None:
    if not loop.audit_id:
        return None
    try:
        return client().labels.audit(loop.collection, loop.audit_id)
    except ServiceError:
        return None


def _tell(loop: Loop, audit: Audit | None, progress: Progress, *, several: bool = False) -> None:
    target = percent(loop.target_accuracy)
    if loop.proved_accuracy:
        _tell_proved(loop, audit, progress)
    elif not loop.target_accuracy:
        until = "no class is likely any more where it is unknown" if several else _LABELLED
        st.markdown(f"**No target is set.** People go on until {until}.")
        st.caption(
            "With a target the system checks random images by itself, and stops as soon as it is proved "
            "that so many are right."
        )
    elif audit and audit.state == "OPEN":
        st.markdown(f"**Random check {audit.look}** on the way to {target}")
        st.progress(audit.answered / max(1, audit.sample))
        st.caption(_found(audit))
    elif audit and audit.state == "FAILED":
        st.markdown(f"**Not proved yet: {target} right**")
        st.caption(
            f"{_found(audit)} That is not enough. People go on; the next check comes by itself."
        )
    elif loop.phase == "DONE":
        nothing = "No class is likely any more where it is unknown"
        st.markdown(f"**{nothing if several else 'Every image is labelled or set aside'}.**")
        if audit and audit.state == "CERTIFIED":
            then = wire.proved(1 - audit.bound)
            st.caption(f"Before the last answers {then} were proved to be right. {_found(audit)}")
    else:
        st.markdown(f"**Target: {target} of all images right**")
        st.caption("A random check begins by itself as soon as a proof is likely.")


def _tell_proved(loop: Loop, audit: Audit | None, progress: Progress) -> None:
    st.markdown(
        f"**:green[✓ Proved: {wire.proved(loop.proved_accuracy)} of all images are right]**"
    )
    words = [f"Certain to {percent(loop.confidence or 0.95)}."]
    if audit:
        words.insert(0, _found(audit))
    if not progress.pool + progress.ready + progress.leased:
        words.append("Every image has a label now.")
    st.caption(" ".join(words))


def _found(audit: Audit) -> str:
    if audit.state == "OPEN":
        return f"{audit.answered:,} of {audit.sample:,} images answered, {audit.errors:,} wrong so far."
    return f"Of {audit.sample:,} images drawn at random {audit.errors:,} were wrong."


def _take_back(choice: Choice, audit: Audit) -> None:
    with st.popover("Take back", icon=":material/undo:", width="stretch"):
        st.write(
            "The certificate no longer counts, nor do the labels that the model gave under it. What people said stays."
        )
        if st.button("Take the certificate back", key="take back", type="primary"):
            try:
                client().labels.undo(choice.collection, choice.annotator, seq=audit.certificate_seq)
            except ServiceError as error:
                st.error(in_words(error))
            else:
                st.rerun(scope="app")


def _set_target(loop: Loop) -> None:
    name = "Change target" if loop.target_accuracy else "Set a target"
    begun = st.session_state.get(_BEGUN, 0)  # with another key it is another one, and closed
    with st.popover(name, icon=":material/verified:", width="stretch", key=f"set target {begun}"):
        share = st.number_input(
            "Share of all images that must be right, in %",
            50.0,
            99.9,
            100 * loop.target_accuracy or _USUAL_TARGET,
            0.5,
            format="%.1f",
            key="target",
        )
        label_rest = st.checkbox(
            "Let the model label the rest as soon as it is proved", True, key="label the rest"
        )
        if st.button("Begin", key="begin", type="primary"):
            _begin(loop, share / 100, label_rest=label_rest)


def _begin(loop: Loop, target: float, *, label_rest: bool) -> None:
    try:
        client().selection.start(
            loop.collection,
            space=loop.space,
            expected_classes=loop.expected_classes,
            policy=loop.policy,
            without=loop.without,
            target_accuracy=target,
            auto_label=label_rest,
        )
    except ServiceError as error:
        st.error(in_words(error))
    else:
        st.session_state[_BEGUN] = st.session_state.get(_BEGUN, 0) + 1
        st.rerun(scope="app")
