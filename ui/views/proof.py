"""The proof: a target, the random checks on the way to it, the certificate at the end."""

import streamlit as st

from hundredfold.chassis.errors import ServiceError
from hundredfold.client.types import Audit, Loop, Progress
from ui import wire
from ui.backend import client, in_words
from ui.people import Role, person
from ui.views.choice import Choice
from ui.views.tables import percent
from ui.words import say

_USUAL_TARGET = 95.0
_BEGUN = "targets set"


def show(choice: Choice, loop: Loop, progress: Progress, *, several: bool = False) -> None:
    """Draw where the proof stands, and what can be done about it; with several classes an image each has its own."""
    audit = _audit(loop)
    with st.container(border=True, key="proof"):
        words, deeds = st.columns([4, 1], vertical_alignment="center")
        with words, st.container(gap="xxsmall"):
            _tell(loop, audit, progress, several=several)
            if several:
                st.caption(say("progress.each_class_proved"))
        if person().role < Role.REVIEWER:
            return
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
        until = say("progress.until_unlikely") if several else say("progress.until_labelled")
        st.markdown(f"**{say('progress.no_target')}** {until}")
        st.caption(say("progress.what_a_target_does"))
    elif audit and audit.state == "OPEN":
        check = say("progress.check_number", number=audit.look)
        st.markdown(f"**{check}** {say('progress.on_the_way', target=target)}")
        st.progress(audit.answered / max(1, audit.sample))
        st.caption(_found(audit))
    elif audit and audit.state == "FAILED":
        st.markdown(f"**{say('progress.not_proved', target=target)}**")
        st.caption(say("progress.not_enough", found=_found(audit)))
    elif loop.phase == "DONE":
        done = say("progress.all_unlikely") if several else say("progress.all_labelled")
        st.markdown(f"**{done}**")
        if audit and audit.state == "CERTIFIED":
            share = wire.proved(1 - audit.bound)
            st.caption(say("progress.proved_before", share=share, found=_found(audit)))
    else:
        st.markdown(f"**{say('progress.target_is', target=target)}**")
        st.caption(say("progress.check_comes"))


def _tell_proved(loop: Loop, audit: Audit | None, progress: Progress) -> None:
    share = wire.proved(loop.proved_accuracy)
    st.markdown(f"**:green[✓ {say('progress.proved', share=share)}]**")
    words = [say("progress.certain_to", share=percent(loop.confidence or 0.95))]
    if audit:
        words.insert(0, _found(audit))
    if not progress.pool + progress.ready + progress.leased:
        words.append(say("progress.all_have_labels"))
    st.caption(" ".join(words))


def _found(audit: Audit) -> str:
    key = "progress.found_open" if audit.state == "OPEN" else "progress.found"
    return say(key, answered=audit.answered, sample=audit.sample, errors=audit.errors)


def _take_back(choice: Choice, audit: Audit) -> None:
    with st.popover(say("progress.take_back"), icon=":material/undo:", width="stretch"):
        st.write(say("progress.what_taking_back_does"))
        if st.button(say("progress.take_certificate_back"), key="take back", type="primary"):
            try:
                client().labels.undo(choice.collection, choice.annotator, seq=audit.certificate_seq)
            except ServiceError as error:
                st.error(in_words(error))
            else:
                st.rerun(scope="app")


def _set_target(loop: Loop) -> None:
    name = say("progress.change_target") if loop.target_accuracy else say("progress.set_target")
    begun = st.session_state.get(_BEGUN, 0)  # with another key it is another one, and closed
    with st.popover(name, icon=":material/verified:", width="stretch", key=f"set target {begun}"):
        share = st.number_input(
            say("progress.target_share"),
            50.0,
            99.9,
            100 * loop.target_accuracy or _USUAL_TARGET,
            0.5,
            format="%.1f",
            key="target",
        )
        label_rest = st.checkbox(say("progress.label_the_rest"), True, key="label the rest")
        if st.button(say("progress.begin"), key="begin", type="primary"):
            _begin(loop, share / 100, label_rest=label_rest)


def _begin(loop: Loop, target: float, *, label_rest: bool) -> None:
    try:
        client().selection.start(
            loop.collection,
            space=loop.space,
            expected_classes=loop.expected_classes,
            page_size=loop.page_size,
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
