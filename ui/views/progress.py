"""The Progress view: how far the work is, how fast it goes, what is left."""

import streamlit as st

from hundredfold.chassis.errors import ServiceError
from hundredfold.client.types import Forecast, Loop, Progress, Schema
from ui import wire
from ui.backend import client, in_words
from ui.views import behind, by_class, groups, jobs, over_time, proof
from ui.views.choice import Choice
from ui.views.tables import between, duration, percent, rounded
from ui.words import number, say

_AGAIN_SECONDS = 3.0
_USUAL_TARGET = 0.95


@st.fragment(run_every=_AGAIN_SECONDS)
def show(choice: Choice) -> None:
    """Draw the view, again every few seconds."""
    collection = choice.collection
    kept = f"numbers of {collection}"  # shown while nobody answers
    trouble = ""
    try:
        st.session_state[kept] = _ask(collection)
    except ServiceError as error:
        trouble = say("common.no_answer", why=in_words(error))
        if kept in st.session_state:
            trouble = f"{trouble} {say('progress.last_numbers')}"
    numbers: tuple[Progress, Schema] | None = st.session_state.get(kept)
    loop, hint = _loop(collection)
    if trouble or hint:
        st.warning(trouble or hint)
    if numbers:
        _numbers(choice, *numbers, loop)
    jobs.show()


def _numbers(choice: Choice, progress: Progress, schema: Schema, loop: Loop | None) -> None:
    tallies = by_class.tallies(choice.collection, progress.head_seq)
    _heading(progress, loop, several=schema.several)
    _tiles(progress, loop, _forecast(loop) if loop else None, by_class.by_model(tallies))
    if loop:
        proof.show(choice, loop, progress, several=schema.several)
    groups.show(choice, schema)
    by_class.show(choice.collection, progress, schema, tallies)
    over_time.show(choice.collection, progress.head_seq)
    if loop:
        behind.networks(loop)
    behind.people(choice.collection)


def _ask(collection: str) -> tuple[Progress, Schema]:
    return client().labels.progress(collection), client().catalog.schema(collection)


def _loop(collection: str) -> tuple[Loop | None, str]:
    """The loop, and what is to be known about it, in a sentence."""
    try:
        loop = client().selection.get(collection)
    except ServiceError as error:
        if error.code == "NOT_FOUND":
            return None, say("progress.no_loop", collection=collection)
        return None, say("progress.loop_unknown", why=in_words(error))
    trouble = say("progress.loop_waits", why=loop.trouble) if loop.trouble else ""
    return loop, trouble


def _forecast(loop: Loop) -> Forecast | None:
    try:
        return client().selection.forecast(loop.collection, target=_target(loop))
    except ServiceError:
        return None


def _target(loop: Loop | None) -> float:
    return (loop.target_accuracy if loop else 0.0) or _USUAL_TARGET


def _heading(progress: Progress, loop: Loop | None, *, several: bool) -> None:
    share = min(progress.labelled / progress.total, 1.0) if progress.total else 0.0
    what = say(
        "progress.pairs_known" if several else "progress.images_labelled",
        labelled=progress.labelled,
        total=progress.total,
        whole=progress.images_labelled,
        images=progress.images,
    )
    st.progress(share, f"**{what}**")
    on_screen = "progress.pairs_on_screen" if several else "progress.on_screen"
    words = [
        say(
            "progress.answers_in",
            count=progress.decisions,
            time=duration(progress.human_seconds),
        ),
        say("progress.pages_wait", count=progress.ready_pages),
        say(on_screen, count=progress.leased),
    ]
    if progress.pairs_judged or progress.pairs_open:
        pairs = {"judged": progress.pairs_judged, "open": progress.pairs_open}
        time = duration(progress.pair_seconds)
        words.append(say("pairs.progress_time", **pairs, time=time))
    if loop:
        phase = say(_PHASES[loop.phase]) if loop.phase in _PHASES else loop.phase
        words.insert(0, say("progress.phase_round", phase=phase, round=loop.rounds))
    st.caption(" · ".join(words))


_PHASES = {
    "PREPARING": "progress.phase_preparing",
    "SEED": "progress.phase_seed",
    "VERIFY": "progress.phase_verify",
    "LEFTOVERS": "progress.phase_leftovers",
    "AUDIT": "progress.phase_audit",
    "DONE": "progress.phase_done",
}


def _tiles(progress: Progress, loop: Loop | None, forecast: Forecast | None, by_model: int) -> None:
    tiles = iter(st.columns(6, gap="small"))

    def tile(name: str, value: str, below: str | None = None, about: str | None = None) -> None:
        next(tiles).metric(
            name,
            value,
            below,
            delta_color="off",
            delta_arrow="off",
            help=about,
            border=True,
            height="stretch",
        )

    tile(say("progress.rate"), number(progress.labels_per_minute, ",.0f"))
    left = progress.total - progress.labelled - progress.unsure
    share = percent(round(left / progress.total, 3)) if progress.total else say("common.none")
    tile(
        say("progress.left"),
        number(left),
        say("progress.left_of", share=share, total=progress.total),
        say("progress.with_copies", count=progress.labelled_with_copies),
    )
    tile(say("progress.set_aside"), number(progress.unsure))
    proved = loop.proved_accuracy if loop else 0.0
    tile(
        say("progress.certified"),
        f"≥ {wire.proved_share(proved)}" if proved else say("common.none"),
        say("progress.certified_by_model", count=by_model)
        if by_model
        else say("progress.certified_none"),
        say("progress.certified_help"),
    )
    tile(say("progress.right_now"), *_right(loop), say("progress.right_help"))
    until = say("progress.time_until", target=percent(_target(loop)))
    tile(until, *_left(forecast), say("progress.time_help"))


def _right(loop: Loop | None) -> tuple[str, str | None]:
    """The accuracy that is expected, and the one measured on the random stream."""
    if not loop:
        return say("common.none"), None
    expected = rounded(loop.expected_accuracy) if loop.expected_accuracy else say("common.none")
    if not loop.measured_accuracy:
        return expected, None
    share = rounded(loop.measured_accuracy)
    return expected, say("progress.measured", share=share, images=loop.measured_images)


def _left(forecast: Forecast | None) -> tuple[str, str | None]:
    """The seconds that are left, and their interval."""
    if not forecast:
        return say("common.none"), None
    if not forecast.seconds:
        return say("progress.reached"), None
    ends = between(duration(forecast.seconds_low), duration(forecast.seconds_high))
    return duration(forecast.seconds), ends
