"""What goes on behind the pages: networks that are trained on the labels, and who answers how fast."""

import streamlit as st

from hundredfold.chassis.errors import ServiceError
from hundredfold.client.types import Annotator, BackboneRound, Loop
from ui.backend import client
from ui.views.tables import between, duration, rounded, table
from ui.words import number, say

_STEPS = {
    "TRAINING": "progress.step_training",
    "EMBEDDING": "progress.step_embedding",
    "CLUSTERING": "progress.step_clustering",
}
_NEWEST = 5


def networks(loop: Loop) -> None:
    """Draw what was trained and whether it was better."""
    step = _STEPS.get(loop.backbone_step, "")
    if not step and not loop.backbone_rounds:
        return
    st.subheader(say("progress.networks"))
    if step:
        st.caption(f":material/progress_activity: {say(step)}")
    if loop.backbone_rounds:
        before_after = (say("progress.right_before"), say("progress.after"))
        pure = (say("progress.pure_before"), say("progress.after"))
        columns = [say("progress.labels"), *before_after, *pure]
        columns += [say("progress.on"), say("progress.took"), ""]
        newest = loop.backbone_rounds[::-1][:_NEWEST]
        table(columns, [_network(each) for each in newest])


def _network(tried: BackboneRound) -> list[str]:
    held_out = say("progress.held_out", images=tried.images)
    return [
        number(tried.labels),
        *_shares(tried, tried.accuracy_before, tried.accuracy_after),
        *_shares(tried, tried.purity_before, tried.purity_after),
        held_out if tried.images else say("common.none"),
        duration(tried.seconds),
        verdict(tried),
    ]


def verdict(tried: BackboneRound) -> str:
    """What became of a network."""
    if tried.promoted:
        return say("progress.in_use_since")
    return say("progress.not_used", why=tried.reason)


def _shares(tried: BackboneRound, *shares: float) -> list[str]:
    return [rounded(each) if tried.images else say("common.none") for each in shares]


def people(collection: str) -> None:
    """Draw who answers, how fast, and how many odd images he misses; nothing for those who may not see it."""
    try:
        found = list(client().labels.annotators(collection))
    except ServiceError:
        return
    if found:
        st.subheader(say("progress.people"))
        columns = ["", say("progress.answers"), say("progress.images"), say("progress.spent")]
        columns += [say("progress.images_a_minute"), say("progress.odd_missed")]
        table(columns, [_person(each) for each in found])


def _person(who: Annotator) -> list[str]:
    pace = 60 * who.images / who.seconds if who.seconds else 0.0
    return [
        who.name,
        number(who.decisions),
        number(who.images),
        duration(who.seconds),
        number(pace, ",.0f"),
        _missed(who),
    ]


def _missed(who: Annotator) -> str:
    share = rounded(who.miss_rate)
    if not who.planted:
        return say("progress.assumed", share=share)
    ends = between(rounded(who.miss_rate_low), rounded(who.miss_rate_high))
    return say("progress.missed", share=share, between=ends, found=who.found, planted=who.planted)
