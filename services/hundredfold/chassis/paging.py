"""Pages of lists: sizes and opaque tokens."""

import base64
import json
from typing import Any

from hundredfold.chassis.errors import InvalidArgument

_LONGEST = 2048


def page_size(requested: int, *, default: int = 100, most: int = 1000) -> int:
    """How many items to return: 0 = the default, more than `most` is taken as `most`.

    Raises:
        InvalidArgument: it is negative.
    """
    if requested < 0:
        raise InvalidArgument("page_size must not be negative", field="page_size")
    return min(requested or default, most)


def encode_token(*values: int | str) -> str:
    """The token of a place in a list, such as the last key returned."""
    text = json.dumps(values, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode_token(token: str, *kinds: type[int] | type[str]) -> tuple[Any, ...]:
    """The values of a token, which must be of these kinds; () for the empty token.

    So a list begins with `(after,) = decode_token(request.page_token, int) or (-1,)`.

    Raises:
        InvalidArgument: it is not a token of this list.
    """
    if not token:
        return ()
    values = _values(token)
    if [type(value) for value in values] != list(kinds):
        raise _bad()
    return tuple(values)


def _values(token: str) -> list[Any]:
    if len(token) > _LONGEST:
        raise _bad()
    try:
        text = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        values = json.loads(text)
    except (ValueError, RecursionError):
        raise _bad() from None
    if not isinstance(values, list):
        raise _bad()
    return values


def _bad() -> InvalidArgument:
    return InvalidArgument(
        "page_token is not one that this list returned", field="page_token", reason="BAD_PAGE_TOKEN"
    )
