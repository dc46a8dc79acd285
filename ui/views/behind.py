"""What goes on behind the pages: networks that are trained on the labels, and who answers how fast."""

import streamlit as st

from hundredfold.chassis.errors import ServiceError
from hundredfold.client.types import Annotator, BackboneRound, Loop
from ui.backend import client
from ui.views.tables import duration, table

_STEPS = {
    "TRAINING": "A network is being trained on the labels so far. Go on meanwhile.",
    "EMBEDDING": "The newly trained network is looking at the images. Go on meanwhile.",
    "CLUSTERING": "The newly trained network was better: its look-alikes are being grouped.",
}
_NEWEST = 5


def networks(loop: Loop) -> None:
    """Draw what was trained and whether it was better."""
    step = _STEPS.get(loop.backbone_step, "")
    if not step and not loop.backbone_rounds:
        return
    st.subheader("Networks trained on these labels")
    if step:
        st.caption(f":material/progress_activity: {step}")
    if loop.backbone_rounds:
        columns = ["labels", "right before", "after", "pure before", "after", "on", "took", ""]
        newest = loop.backbone_rounds[::-1][:_NEWEST]
        table(columns, [_network(each) for each in newest])


def _network(tried: BackboneRound) -> list[str]:
    return [
        f"{tried.labels:,}",
        *_shares(tried, tried.accuracy_before, tried.accuracy_after),
        *_shares(tried, tried.purity_before, tried.purity_after),
        f"{tried.images:,} held out" if tried.images else "-",
        duration(tried.seconds),
        "in use from then on" if tried.promoted else f"not used: {tried.reason}",
    ]


def _shares(tried: BackboneRound, *shares: float) -> list[str]:
    return [f"{each:.1%}" if tried.images else "-" for each in shares]


def people(collection: str) -> None:
    """Draw who answers, how fast, and how many odd images he misses; nothing for those who may not see it."""
    try:
        found = list(client().labels.annotators(collection))
    except ServiceError:
        return
    if found:
        st.subheader("People")
        columns = ["", "answers", "images", "spent", "images a minute", "odd images missed"]
        table(columns, [_person(each) for each in found])


def _person(who: Annotator) -> list[str]:
    pace = 60 * who.images / who.seconds if who.seconds else 0.0
    return [
        who.name,
        f"{who.decisions:,}",
        f"{who.images:,}",
        duration(who.seconds),
        f"{pace:,.0f}",
        _missed(who),
    ]


def _missed(who: Annotator) -> str:
    if not who.planted:
        return f"{who.miss_rate:.1%} assumed: none was planted yet"
    between = f"{who.miss_rate_low:.1%} to {who.miss_rate_high:.1%}"
    return f"{who.miss_rate:.1%} ({between}): {who.found:,} of {who.planted:,} planted ones found"
