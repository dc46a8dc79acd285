"""From JSON to what the client takes, and back."""

import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hundredfold.chassis.errors import DeadlineExceeded, NotFound, Unavailable
from hundredfold.client.types import Lease, Page, PageKind, Verdict
from ui import wire
from ui.backend import in_words
from ui.hosts import allowed

ROW = st.integers(-(2**63), 2**63 - 1)


@given(st.integers(0, 2**31 - 1), st.sampled_from(list(Verdict)), st.lists(ROW, max_size=20))
def test_a_judgement_survives_the_way_there_and_back(
    class_id: int, verdict: Verdict, rows: list[int]
) -> None:
    sent = {"class_id": class_id, "verdict": verdict.value, "rows": rows}
    assert wire.judgement(wire.to_judgement(sent)) == sent


@pytest.mark.parametrize("rows", ["12", 7, {"0": 1}, [1.0], [True], [None], [[1]], ["1"], [2**63]])
def test_rows_are_a_list_of_whole_numbers(rows: Any) -> None:
    with pytest.raises((TypeError, OverflowError)):
        wire.to_rows(rows)


@given(st.lists(st.binary(max_size=30)))
def test_packed_pieces_can_be_told_apart(pieces: list[bytes]) -> None:
    data = wire.packed(pieces)
    found = []
    while data:
        (size,) = struct.unpack_from("<I", data)
        found.append(data[4 : 4 + size])
        data = data[4 + size :]
    assert found == pieces


def test_a_lease_says_what_is_asked_and_nothing_of_the_machinery() -> None:
    page = Page(
        page_id="p",
        kind=PageKind.VERIFY,
        rows=np.array([4, 2]),
        class_id=7,
        second=np.array([1, 0], np.int32),
        probability=np.array([0.123456, 1], np.float32),
        model="head@1",
        cluster="",
        score=3.5,
    )
    assert wire.lease(Lease(9, page, "ada", 12.0)) == {
        "token": 9,
        "kind": "VERIFY",
        "rows": [4, 2],
        "class_id": 7,
        "cluster": "",
        "second": [1, 0],
        "probability": [0.1235, 1.0],
    }


@pytest.mark.parametrize(
    ("share", "words"),
    [
        (0.0, ""),
        (0.95, "at least 95 %"),
        (0.9799, "at least 97.9 %"),
        (float(np.float32(0.98)), "at least 98 %"),
        (1.0, "at least 100 %"),
    ],
)
def test_what_is_proved_is_never_rounded_up(share: float, words: str) -> None:
    assert wire.proved(share) == words


def test_a_person_is_not_told_where_the_services_are() -> None:
    for away in (Unavailable("ipv4:10.0.0.3:7107"), DeadlineExceeded("10.0.0.3")):
        assert "10.0.0.3" not in in_words(away)
    assert in_words(NotFound("there is no fish")) == "there is no fish"


def test_unless_told_otherwise_only_this_machine_may_ask() -> None:
    assert (
        allowed({})
        == allowed({"HUNDREDFOLD_UI_HOSTS": " ; "})
        == ["127.0.0.1", "localhost", "[::1]"]
    )
    assert allowed({"HUNDREDFOLD_UI_HOSTS": "a.example; *.b.example"}) == [
        "a.example",
        "*.b.example",
    ]
