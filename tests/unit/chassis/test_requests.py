"""What requests of all services are held to."""

import pytest

from hundredfold.chassis import limits
from hundredfold.chassis.errors import InvalidArgument
from hundredfold.chassis.requests import (
    MOST_IMAGE_BYTES,
    check_between,
    check_images,
    check_request_id,
)


def refused(check, *arguments):
    with pytest.raises(InvalidArgument) as error:
        check(*arguments)
    return error.value.field


@pytest.mark.parametrize("request_id", ["", "x" * 201, "a\nb", "\0"])
def test_a_request_id_that_is_none_is_refused(request_id):
    assert refused(check_request_id, request_id) == "request_id"


def test_a_request_id_is_returned():
    assert check_request_id("x" * 200) == "x" * 200


def test_bounds_are_allowed_and_what_is_beyond_is_not():
    assert [check_between(value, 1, 3, "limit") for value in (1, 2, 3)] == [1, 2, 3]
    assert refused(check_between, 0, 1, 3, "limit") == "limit"
    assert refused(check_between, 4, 1, 3, "limit") == "limit"


def test_images_are_limited_in_number_and_in_bytes():
    check_images([b"x"] * 4, 4)
    check_images([bytes(MOST_IMAGE_BYTES)], 1)
    assert refused(check_images, [b"x"] * 5, 4) == "images"
    assert refused(check_images, [bytes(MOST_IMAGE_BYTES), b"x"], 4) == "images"


def test_as_many_bytes_of_images_fit_into_a_message():
    assert MOST_IMAGE_BYTES < limits.RECEIVE_BYTES
