"""Vectors find their rows, whatever order they come in."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hundredfold.embedding.domain.matching import NONE, Matched, Names, digests, groups

TEXTS = st.lists(st.text(max_size=3), max_size=40)


@given(TEXTS, TEXTS)
def test_a_text_is_found_at_its_first_place(there: list[str], wanted: list[str]) -> None:
    names = Names(digests(there))
    expected = [there.index(text) if text in there else NONE for text in wanted]
    assert names.find(digests(wanted)).tolist() == expected
    assert names.repeated == len(there) - len(set(there))


@given(st.lists(st.integers(0, 20), max_size=40))
def test_of_vectors_of_one_row_the_first_stays(rows: list[int]) -> None:
    matched = Matched.of(np.array(rows, np.int64), np.arange(len(rows)))
    assert matched.rows.tolist() == sorted(set(rows))
    assert matched.positions.tolist() == [rows.index(row) for row in sorted(set(rows))]
    some = matched.between(5, 11)
    assert some.rows.tolist() == [row for row in sorted(set(rows)) if 5 <= row < 11]


@given(st.lists(st.integers(0, 10), max_size=30), st.integers(1, 25))
def test_groups_hold_all_in_order_and_no_more_than_fits(sizes: list[int], most: int) -> None:
    found = groups(sizes, most)
    assert [size for each in found for size in sizes[each]] == sizes
    assert all(sum(sizes[each]) <= most or len(sizes[each]) == 1 for each in found)


def test_texts_that_are_no_unicode_have_a_digest_too() -> None:
    assert len(digests(["\ud800", ""])) == 2


@pytest.mark.parametrize("count", [0, 3])
def test_nothing_is_found_among_none(count: int) -> None:
    found = Names(digests([])).find(digests(["a"] * count))
    assert found.tolist() == [NONE] * count
