"""A part gets the hashes that it misses."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hundredfold.hashing.domain.filling import Chunk, FillingPart, PartHashes, chunks


def places(*numbers):
    return np.array(numbers, np.int64)


def test_new_rows_and_failed_ones_are_missing():
    before = PartHashes(np.arange(4, dtype=np.uint64), places(1, 2))
    ok = np.array([True, True, False, True, False, True])
    assert before.missing(ok).tolist() == [1, 5]


def test_nothing_of_a_new_part_is_there():
    assert PartHashes.empty().missing(np.array([True, False, True])).tolist() == [0, 2]


def test_what_was_there_stays_and_what_fails_again_is_told():
    before = PartHashes(np.array([5, 0, 7], np.uint64), places(1))
    filling = FillingPart({"a": before}, rows=5, chunks=2)
    assert not filling.add(Chunk(0, places(4), {"a": np.array([9], np.uint64)}, places()))
    assert filling.add(Chunk(0, places(1, 3), {"a": np.array([0, 8], np.uint64)}, places(1)))
    part = filling.result()["a"]
    assert part.hashes.tolist() == [5, 0, 7, 8, 9]
    assert part.failed.tolist() == [1]


def test_a_part_that_misses_nothing_is_complete_at_once():
    assert FillingPart({"a": PartHashes.empty()}, rows=3, chunks=0).complete


@given(
    st.lists(st.booleans(), min_size=1, max_size=50), st.integers(1, 20), st.randoms(), st.data()
)
def test_chunks_in_any_order_make_the_same_part(ok, size, random, data):
    truth = np.array([100 + i if flag else 0 for i, flag in enumerate(ok)], np.uint64)
    had = data.draw(st.integers(0, len(ok)))
    before = PartHashes(truth[:had], places())
    some = list(chunks(before.missing(np.array(ok)), size))
    random.shuffle(some)
    filling = FillingPart({"a": before}, len(ok), len(some))
    for each in some:
        filling.add(Chunk(0, each, {"a": truth[each]}, places()))
    assert filling.complete
    assert filling.result()["a"].hashes.tolist() == truth.tolist()
