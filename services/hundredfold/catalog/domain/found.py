"""What a source offers: one image each, before anybody has looked at it."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MAX_URI = 4096
MAX_KEY = 4096
MAX_LABEL = 200
MAX_TAGS = 100


@dataclass(frozen=True, slots=True)
class Found:
    """One image of a source.

    Attributes:
        uri: where its bytes are.
        key: its name within the source.
        label: what the source calls it, or None.
        tags: the words the source gives it, each once.
        problem: why it can't be read, as (REASON, sentence), when that is known already.
    """

    uri: str
    key: str
    label: str | None = None
    tags: tuple[str, ...] = ()
    problem: tuple[str, str] | None = None


def checked(found: Found) -> Found:
    """The same with texts that a store can hold: UTF-8, of limited length.

    A file name that is not UTF-8 arrives with surrogates (PEP 383). It is written with escapes, and
    since no program could find the file under that name the image gets a problem.
    """
    uri, key = _utf8(found.uri), _utf8(found.key)
    problem = found.problem
    if uri != found.uri:
        problem = ("NAME_NOT_UTF8", "the name of the file is not UTF-8")
    elif len(uri) > MAX_URI:
        # The hash keeps what was cut off from looking like another image.
        uri = uri[: MAX_URI - 20] + f"...{hash_of(found.uri):016x}"
        problem = ("URI_TOO_LONG", f"the URI is longer than {MAX_URI} characters")
    elif "\0" in uri:
        problem = ("URI_INVALID", "the URI holds a NUL character")
    label = None if found.label is None else _utf8(found.label)[:MAX_LABEL]
    tags = tuple(dict.fromkeys(_utf8(tag)[:MAX_LABEL] for tag in found.tags))[:MAX_TAGS]
    return Found(uri, key[:MAX_KEY], label, tags, problem)


def _utf8(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def hash_of(uri: str) -> int:
    """64 bits that stand for a URI: two of 100 million are alike with a chance of 1 to 3,700."""
    digest = hashlib.blake2b(uri.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little")


class Seen:
    """The URIs that are there already, at 8 bytes each and a young few at more.

    Args:
        uris: those there are, in chunks of any size.
        merge_at: how many young ones are kept before they are sorted in with the others.
    """

    def __init__(self, uris: Iterable[Iterable[str]] = (), *, merge_at: int = 1 << 20) -> None:
        hashes = [np.fromiter(map(hash_of, chunk), np.uint64) for chunk in uris]
        self._old: NDArray[np.uint64] = np.unique(np.concatenate([*hashes, np.empty(0, np.uint64)]))
        self._young: set[int] = set()
        self._merge_at = merge_at

    def add(self, uri: str) -> bool:
        """Add one; False when it was there."""
        value = hash_of(uri)
        if value in self._young or self._in_old(value):
            return False
        self._young.add(value)
        if len(self._young) >= self._merge_at:
            self._old = np.union1d(self._old, np.fromiter(self._young, np.uint64))
            self._young.clear()
        return True

    def __len__(self) -> int:
        return len(self._old) + len(self._young)

    def _in_old(self, value: int) -> bool:
        at = int(np.searchsorted(self._old, np.uint64(value)))
        return at < len(self._old) and int(self._old[at]) == value


class Offer:
    """Those images of a source that were not seen, in order; a URI named twice is taken once.

    Args:
        found: what the source has.
        seen: what is there already; grows.

    Attributes:
        known: how many were passed over because they were seen.
    """

    def __init__(self, found: Iterable[Found], seen: Seen) -> None:
        self._found = found
        self._seen = seen
        self.known = 0

    def __iter__(self) -> Iterator[Found]:
        for found in self._found:
            image = checked(found)
            if self._seen.add(image.uri):
                yield image
            else:
                self.known += 1
