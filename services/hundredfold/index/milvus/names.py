"""Names of collections and aliases in Milvus: letters, digits and underscores, and our names back from them.

Names of this system have no capital letters, so those stand for what Milvus refuses: one letter for one, nothing grows and nothing
collides. Collection `a-b` in space `net.v2@3` is searched as `hf_aHbXnetDv2A3`; each build of it adds another `X` and a mark.
"""

import hashlib
from dataclasses import dataclass

_PREFIX = "hf_"
_BETWEEN = "X"
_CAPITALS = str.maketrans({"-": "H", ".": "D", "@": "A"})
_BACK = str.maketrans({"H": "-", "D": ".", "A": "@"})
_MARK_LENGTH = 16


@dataclass(frozen=True)
class Name:
    """What a name in Milvus means: a build of the index of a space, or, without a mark, its alias."""

    collection: str
    space: str
    mark: str = ""

    @property
    def alias(self) -> str:
        """Under which the space is searched."""
        return _PREFIX + _BETWEEN.join(_encoded(each) for each in (self.collection, self.space))

    @property
    def built(self) -> str:
        """The Milvus collection of this build: at most 221 of the 255 characters it may have."""
        return f"{self.alias}{_BETWEEN}{self.mark}"


def parsed(name: str) -> Name | None:
    """What the name of a Milvus collection means; None if this system did not make it."""
    halves = name.removeprefix(_PREFIX).split(_BETWEEN)
    if not name.startswith(_PREFIX) or len(halves) != 3:
        return None
    collection, space, mark = halves
    return Name(_decoded(collection), _decoded(space), mark)


def mark_of(*what: object) -> str:
    """What tells a build of these things from others: 16 hexadecimal digits."""
    return hashlib.sha256(repr(what).encode()).hexdigest()[:_MARK_LENGTH]


def _encoded(ours: str) -> str:
    return ours.translate(_CAPITALS)


def _decoded(theirs: str) -> str:
    return theirs.translate(_BACK)
