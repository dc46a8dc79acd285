"""What pages of pairs lean to."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hundredfold.chassis.alike import EVEN_BITS, likely_same

NONE = np.empty(0, np.uint8), np.empty(0, np.bool_)
EVERY = np.arange(65, dtype=np.uint8)


def test_the_nearer_the_likelier_and_even_at_the_middle() -> None:
    shares = likely_same(EVERY, *NONE)
    assert (np.diff(shares) < 0).all()
    assert shares[int(EVEN_BITS)] == 0.5
    assert shares[0] > 0.9
    assert shares[12] < 0.1


@given(st.lists(st.tuples(st.integers(0, 255), st.booleans()), max_size=50))
def test_it_is_always_a_probability(said: list[tuple[int, bool]]) -> None:
    judged = np.array([bits for bits, _ in said], np.uint8)
    same = np.array([same for _, same in said], np.bool_)
    shares = likely_same(np.arange(256, dtype=np.uint8), judged, same)
    assert ((shares >= 0) & (shares <= 1)).all()


def test_what_people_say_counts_for_pairs_about_as_far_apart() -> None:
    judged, same = np.full(20, 8, np.uint8), np.ones(20, np.bool_)
    before, after = likely_same(EVERY, *NONE), likely_same(EVERY, judged, same)
    assert after[8] > 0.8 > before[8]
    assert after[9] > before[9]
    assert abs(after[20] - before[20]) < 1e-6
