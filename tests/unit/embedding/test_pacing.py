"""How a pace finds what suits a server, in simulated time."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hundredfold.embedding.domain.pacing import Outcome, Pacing, Setting
from tests.unit.embedding.simulated_servers import CPU, GPU, TEN, Server, drive

START, MOST, LONGEST = Setting(16, 4), Setting(64, 16), 2.5
SERVERS = {"a processor": (CPU, 300.0), "a GPU": (GPU, 30.0), "ten replicas": (TEN, 80.0)}


def fresh() -> Pacing:
    return Pacing(START, MOST, LONGEST)


def best_fixed(server: Server, seconds: float) -> float:
    """Images a second of the best pace that stays as it is."""
    return max(
        drive(Setting(images, calls), server, seconds).rate(0, seconds)
        for images in (4, 8, 16, 32, 64)
        for calls in (1, 2, 4, 8, 16)
    )


@pytest.mark.parametrize("noise", [0, 0.1, 0.3])
@pytest.mark.parametrize("name", SERVERS)
def test_it_comes_near_the_best_pace_that_there_is(name: str, noise: float) -> None:
    server, seconds = SERVERS[name]
    server = replace(server, noise=noise)
    found = drive(fresh(), server, seconds).rate(seconds / 2, seconds)
    assert found >= 0.9 * best_fixed(server, seconds / 8)


@pytest.mark.parametrize("name", SERVERS)
def test_finding_out_costs_little(name: str) -> None:
    server, seconds = SERVERS[name]
    for end in (seconds / 10, seconds):
        fixed = drive(START, server, end).rate(0, end)
        assert drive(fresh(), server, end).rate(0, end) >= 0.95 * fixed


@pytest.mark.parametrize("noise", [0, 0.1, 0.3])
@pytest.mark.parametrize("name", SERVERS)
def test_it_settles(name: str, noise: float) -> None:
    server, seconds = SERVERS[name]
    seen = drive(fresh(), replace(server, noise=noise), 3 * seconds)
    assert len([at for at, *_ in seen.settings if at > 2 * seconds]) <= 4


servers = st.builds(
    Server,
    a_call=st.floats(0, 0.05),
    an_image=st.floats(1 / 5_000, 1 / 100),
    on_the_way=st.floats(0, 0.05),
    replicas=st.integers(1, 12),
    noise=st.floats(0, 0.2),
    seed=st.integers(0, 9),
)


@settings(max_examples=25, deadline=None)
@given(server=servers)
def test_whatever_the_server_is_it_ends_no_slower_than_it_began(server: Server) -> None:
    calls = 3_000
    seconds = calls / server.replicas * (server.a_call + 16 * server.an_image)
    seconds = max(20.0, seconds + calls / 4 * server.on_the_way)
    fixed = drive(START, server, seconds / 4).rate(0, seconds / 4)
    seen = drive(fresh(), server, seconds)
    assert seen.rate(seconds / 2, seconds) >= 0.9 * fixed
    for _, images, at_once in seen.settings:
        assert 8 <= images <= MOST.images
        assert 2 <= at_once <= MOST.calls


@settings(max_examples=15, deadline=None)
@given(most_waiting=st.integers(1, 15), server=st.sampled_from([CPU, GPU, TEN]))
def test_a_server_that_refuses_is_asked_for_less(most_waiting: int, server: Server) -> None:
    seen = drive(fresh(), replace(server, most_waiting=most_waiting), 120)
    late = [(images, calls) for at, images, calls in seen.settings if at > 60]
    assert all(calls <= most_waiting for _, calls in late)
    assert seen.refused <= 0.02 * len(seen.answered) + 20


def test_it_goes_down_at_the_first_refusal_and_of_many_at_once_once() -> None:
    pacing = fresh()
    begun = [pacing.begin() for _ in range(4)]
    pacing.ended(begun[0], 16, 0.1, Outcome.BUSY)
    assert (pacing.images, pacing.calls) == (16, 2)
    for each in begun[1:]:
        pacing.ended(each, 16, 0.1, Outcome.BUSY)
    assert (pacing.images, pacing.calls) == (16, 2)


def test_refused_again_and_again_it_asks_for_one_image_at_a_time_and_no_less() -> None:
    pacing = fresh()
    for _ in range(20):
        pacing.ended(pacing.begin(), pacing.images, 0.1, Outcome.BUSY)
    assert (pacing.images, pacing.calls) == (1, 1)


def test_after_a_refusal_it_recovers() -> None:
    pacing = fresh()
    for _ in range(20):
        pacing.ended(pacing.begin(), pacing.images, 0.1, Outcome.BUSY)
    seen = drive(pacing, GPU, 120)
    assert seen.rate(90, 120) >= 0.9 * best_fixed(GPU, 10)


def test_calls_that_take_too_long_are_made_fewer_and_smaller() -> None:
    slow = Server(a_call=0.01, an_image=1 / 5)
    pacing = fresh()
    drive(pacing, slow, 2_000)
    in_flight = pacing.settled.images * pacing.settled.calls
    assert in_flight * slow.an_image <= 1.5 * LONGEST


@settings(max_examples=15, deadline=None)
@given(most_images=st.integers(1, 63))
def test_a_call_of_a_size_that_was_too_large_is_never_made_again(most_images: int) -> None:
    pacing = fresh()
    seen = drive(pacing, replace(GPU, most_images=most_images), 60)
    assert max(images for _, images in seen.answered) <= most_images
    assert pacing.most_images <= most_images
    assert seen.refused <= START.calls * (START.images - 1)  # each halved until it fits


def test_callers_who_ask_for_little_change_nothing() -> None:
    pacing = fresh()
    seen = drive(pacing, GPU, 60, lambda _: 2)
    assert [setting for _, *setting in seen.settings] == [[16, 4]]


def test_callers_who_come_and_go_are_not_taken_for_a_slow_server() -> None:
    def callers(now: float) -> float:
        return 1 if int(now) % 2 else 99

    fixed = drive(START, GPU, 120, callers).rate(60, 120)
    assert drive(fresh(), GPU, 120, callers).rate(60, 120) >= 1.3 * fixed


def test_it_follows_a_server_that_becomes_another() -> None:
    pacing = fresh()
    drive(pacing, CPU, 120)
    seen = drive(pacing, TEN, 240)
    assert seen.rate(180, 240) >= 0.9 * best_fixed(TEN, 20)


def test_a_pace_without_room_stays_as_it_is() -> None:
    fixed = Setting(32, 3)
    seen = drive(Pacing(fixed, fixed, LONGEST, fixed), GPU, 60)
    assert [setting for _, *setting in seen.settings] == [[32, 3]]


def test_what_fails_for_other_reasons_changes_nothing() -> None:
    pacing = fresh()
    for _ in range(200):
        pacing.ended(pacing.begin(), 16, 0.001, Outcome.FAILED)
    assert (pacing.images, pacing.calls) == (16, 4)


def test_a_setting_is_a_pace_that_stays() -> None:
    pace = Setting(images=4, calls=2)
    assert (pace.most_images, pace.most_calls) == (4, 2)
