import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hundredfold.index.milvus.names import Name, mark_of, parsed

COLLECTIONS = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,62}", fullmatch=True)
SPACES = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,126}@[1-9][0-9]{0,8}", fullmatch=True)


@given(COLLECTIONS, SPACES)
def test_a_name_is_one_that_milvus_takes_and_means_what_it_was_made_of(collection, space):
    name = Name(collection, space, mark_of("x"))
    assert re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,254}", name.built)
    assert parsed(name.built) == name


@given(COLLECTIONS, SPACES, COLLECTIONS, SPACES)
def test_two_spaces_never_share_an_alias(collection, space, other, another):
    same = (collection, space) == (other, another)
    assert (Name(collection, space).alias == Name(other, another).alias) == same


@pytest.mark.parametrize("name", ["", "hf_", "hf_aXb", "aXbXc", "somebody_elses", "hf_aXbXcXd"])
def test_what_others_made_is_left_alone(name):
    assert parsed(name) is None


def test_marks_tell_builds_apart():
    assert mark_of("v1", 16, "HNSW") == mark_of("v1", 16, "HNSW")
    assert len({mark_of("v1", 16), mark_of("v2", 16), mark_of("v1", 24)}) == 3
