"""What requests of all services are held to. Each function raises InvalidArgument that names the field."""

from collections.abc import Sequence

from hundredfold.chassis.errors import InvalidArgument

MOST_REQUEST_ID_CHARACTERS = 200
MOST_IMAGE_BYTES = 3 * 1024 * 1024
"""Encoded images of one message together, so that it stays below `limits.RECEIVE_BYTES`."""


def check_request_id(request_id: str) -> str:
    """The caller's id of a write: a UUID, or whatever else is unique."""
    if not 0 < len(request_id) <= MOST_REQUEST_ID_CHARACTERS or not request_id.isprintable():
        raise InvalidArgument(
            f"request_id needs 1 to {MOST_REQUEST_ID_CHARACTERS} printable characters",
            field="request_id",
        )
    return request_id


def check_between(value: int, least: int, most: int, field: str) -> int:
    """A number within bounds, which are allowed themselves."""
    if not least <= value <= most:
        raise InvalidArgument(f"{field} must be {least} to {most}", field=field)
    return value


def check_images(images: Sequence[bytes], most: int) -> None:
    """Encoded images of one message: at most so many, and at most MOST_IMAGE_BYTES."""
    if len(images) > most:
        raise InvalidArgument(f"more than {most} images in a message", field="images")
    if sum(map(len, images)) > MOST_IMAGE_BYTES:
        raise InvalidArgument(f"more than {MOST_IMAGE_BYTES} bytes in a message", field="images")
