import faiss
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hundredfold.index.domain.factory import (
    CODES_FROM,
    EXACT_BELOW,
    TooLittleMemory,
    choose,
)

GIB = 1 << 30
ANY = st.integers(1, 10**9), st.integers(1, 4096)


@pytest.mark.parametrize(
    ("rows", "dimensions", "memory", "kind"),
    [
        (1, 1, 0, "flat"),
        (EXACT_BELOW - 1, 1280, 0, "flat"),
        (EXACT_BELOW - 1, 1280, GIB // 2, "rabitq"),
        (EXACT_BELOW, 128, 0, "sq8"),
        (EXACT_BELOW, 1280, 0, "rabitq"),
        (10_000_000, 128, 3 * GIB, "sq8"),
        (10_000_000, 128, GIB, "rabitq"),
        (100_000_000, 1280, 6 * GIB, "rabitq"),
        (100_000_000, 1280, 5 * GIB, "pq64"),
        (100_000_000, 1280, 4 * GIB, "pq32"),
        (CODES_FROM - 1, 1280, 1, "sq8"),
    ],
)
def test_the_table_says_which_index(rows, dimensions, memory, kind):
    assert choose(rows, dimensions, memory).kind == kind


@given(*ANY, st.integers(1, 10**12))
def test_what_is_chosen_fits_or_is_refused_with_what_would(rows, dimensions, memory):
    try:
        plan = choose(rows, dimensions, memory)
    except TooLittleMemory as error:
        least = error.least
    else:
        assert plan.memory <= memory or rows < CODES_FROM
        assert plan.lists <= max(1, rows // 40)
        return
    assert least > memory
    assert choose(rows, dimensions, least).memory == least


@given(st.integers(CODES_FROM, 10**9), ANY[1], st.integers(1, 10**12), st.integers(1, 10**12))
def test_more_memory_never_gives_a_smaller_index(rows, dimensions, some, more):
    low, high = sorted((some, more))
    try:
        smaller = choose(rows, dimensions, low)
    except TooLittleMemory:
        return
    assert choose(rows, dimensions, high).memory >= smaller.memory


@pytest.mark.parametrize("dimensions", [1, 7, 64, 128, 256, 257, 1280])
def test_faiss_knows_every_factory(dimensions):
    memory = 10**12
    while True:
        try:
            plan = choose(10**6, dimensions, memory)
        except TooLittleMemory:
            break
        assert faiss.index_factory(dimensions, plan.factory).d == dimensions
        memory = plan.memory - 1
