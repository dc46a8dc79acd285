"""Small things that a browser keeps for the server and can't change: JSON under an HMAC-SHA256."""

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any

MOST_CHARACTERS = 2_048


def sealed(key: bytes, purpose: str, value: Mapping[str, Any]) -> str:
    """The value as a text that a cookie can hold; with another purpose it can't be opened."""
    body = _to_text(json.dumps(value, separators=(",", ":")).encode())
    return f"{body}.{_to_text(_signature(key, purpose, body))}"


def opened(key: bytes, purpose: str, text: str) -> dict[str, Any] | None:
    """What was sealed; None unless it was sealed with this key for this purpose."""
    body, dot, signature = text.partition(".")
    if not dot or len(text) > MOST_CHARACTERS or not text.isascii():
        return None
    # The text of the signature, not its bytes: base64 has several texts for the same bytes.
    if not hmac.compare_digest(signature, _to_text(_signature(key, purpose, body))):
        return None
    try:
        value = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    except (binascii.Error, ValueError):
        return None
    return value if isinstance(value, dict) else None


def _signature(key: bytes, purpose: str, body: str) -> bytes:
    return hmac.digest(key, f"{purpose}\n{body}".encode(), hashlib.sha256)


def _to_text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
