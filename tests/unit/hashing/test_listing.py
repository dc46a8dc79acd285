"""The list of groups: largest first, complete, in pages."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hundredfold.hashing.domain.groups import Groups
from hundredfold.hashing.domain.listing import GroupList

PLENTY = {"copies": 1000, "copies_each": 1000}


def groups_of(representative, distance=None):
    rows = np.array(representative, np.int64)
    bits = np.zeros(len(rows), np.uint8) if distance is None else np.array(distance, np.uint8)
    return Groups(rows, bits)


def test_groups_come_largest_first_and_copies_nearest_first():
    listed = GroupList(groups_of([0, 0, 2, 2, 2, 5, -1, 7, 7], [0, 1, 0, 3, 1, 0, 0, 0, 2]))
    found = [
        (group.representative, group.copies.tolist(), group.distances.tolist(), group.copy_count)
        for group in listed.page(0, 100, **PLENTY)
    ]
    assert found == [(2, [4, 3], [1, 3], 2), (0, [1], [1], 1), (7, [8], [2], 1)]
    assert (listed.group_count, listed.copy_count) == (3, 4)


@given(st.lists(st.integers(0, 9), max_size=40), st.integers(1, 5), st.integers(1, 8))
def test_pages_give_each_group_once(of, size, copies):
    # The first row that names a number represents all rows that do.
    listed = GroupList(groups_of([of.index(number) for number in of]))
    place, found = 0, []
    while page := listed.page(place, size, copies=copies, copies_each=1000):
        found += page
        place = listed.after(page[-1].copy_count, page[-1].representative)
    assert len(found) == len({group.representative for group in found}) == listed.group_count
    assert sum(len(group.copies) for group in found) == listed.copy_count
    assert [group.copy_count for group in found] == sorted(
        (group.copy_count for group in found), reverse=True
    )


def test_a_page_ends_before_it_holds_too_many_copies_but_holds_a_group():
    listed = GroupList(groups_of([0] * 10 + [10] * 4 + [14] * 2))
    assert len(listed.page(0, 10, copies=5, copies_each=100)) == 1
    assert len(listed.page(1, 10, copies=5, copies_each=100)) == 2
    assert len(listed.page(0, 10, copies=5, copies_each=1)) == 3


def test_a_large_group_tells_its_size_and_some_copies():
    (group,) = GroupList(groups_of([0] * 10)).page(0, 1, copies=100, copies_each=3)
    assert (group.copies.tolist(), group.copy_count) == ([1, 2, 3], 9)


@pytest.mark.parametrize("representative", [[], [0, 1, 2], [-1, -1]])
def test_without_copies_there_are_no_groups(representative):
    listed = GroupList(groups_of(representative))
    assert (listed.group_count, listed.copy_count) == (0, 0)
    assert listed.page(0, 10, **PLENTY) == []
