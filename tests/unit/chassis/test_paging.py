import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hundredfold.chassis import paging
from hundredfold.chassis.errors import InvalidArgument


@pytest.mark.parametrize(("requested", "size"), [(0, 100), (1, 1), (1000, 1000), (5000, 1000)])
def test_the_size_of_a_page_has_a_default_and_a_maximum(requested, size):
    assert paging.page_size(requested) == size


def test_a_negative_size_is_refused():
    with pytest.raises(InvalidArgument) as caught:
        paging.page_size(-1)
    assert caught.value.field == "page_size"


@given(st.integers(-(2**63), 2**63 - 1), st.text(max_size=50))
def test_a_token_returns_what_it_was_made_of(number, text):
    assert paging.decode_token(paging.encode_token(number, text), int, str) == (number, text)


def test_the_empty_token_is_the_beginning():
    assert paging.decode_token("", int) == ()


def raw(text):
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "token",
    [
        "?",
        "ä",
        "AAAA",
        raw("[1,2]"),
        raw('["1"]'),
        raw("[true]"),
        raw("[1.5]"),
        raw("1"),
        raw("{}"),
        raw("[" * 1000),
        raw("[" + "9" * 1500 + "0" * 500),
        "A" * 5000,
        paging.encode_token("a"),
    ],
)
def test_a_token_of_another_list_is_refused(token):
    with pytest.raises(InvalidArgument) as caught:
        paging.decode_token(token, int)
    assert caught.value.field == "page_token"


@given(st.text(max_size=40))
def test_no_text_breaks_the_decoder(token):
    try:
        values = paging.decode_token(token, int)
    except InvalidArgument:
        return
    assert all(type(value) is int for value in values)
