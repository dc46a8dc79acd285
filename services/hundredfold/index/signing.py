"""Signatures of manifests, so that faiss reads only what this service wrote.

The sha256 in a manifest tells damage; whoever can write to the store can change both. With a key an
index is taken only if its manifest, the sha256 of every file in it included, has an HMAC made with
that key. Make one with `openssl rand -out index.key 32`, name its path in
HUNDREDFOLD_INDEX_SIGNING_KEY, readable by the index service alone, the same for all its replicas.
With another key than before indexes are refused until they were built again.
"""

import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

from hundredfold.chassis.errors import InvalidArgument

LEAST_BYTES = 32
MOST_BYTES = 4096


class Signer:
    """Signs JSON values.

    Args:
        key: at least 32 bytes that nobody else knows.
    """

    def __init__(self, key: bytes) -> None:
        if not LEAST_BYTES <= len(key) <= MOST_BYTES:
            raise InvalidArgument(
                f"a signing key has {LEAST_BYTES} to {MOST_BYTES} bytes, not {len(key)}",
                field="signing_key",
            )
        self._key = key

    def sign(self, value: Any) -> str:
        """The HMAC-SHA256 of a value, in hexadecimal."""
        return hmac.new(self._key, _bytes(value), hashlib.sha256).hexdigest()

    def holds(self, value: Any, signature: object) -> bool:
        """Whether a signature is of this value, by this key."""
        return hmac.compare_digest(self.sign(value).encode(), str(signature).encode())


def signer_of(path: str) -> Signer | None:
    """The signer with the key in a file; None without a path.

    Raises:
        InvalidArgument: the file can't be read, or is no key.
    """
    if not path:
        return None
    try:
        with Path(path).open("rb") as file:
            return Signer(file.read(MOST_BYTES + 1))
    except OSError as error:
        raise InvalidArgument(
            f"the signing key {path} can't be read: {error.strerror}", field="signing_key"
        ) from error


def _bytes(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
