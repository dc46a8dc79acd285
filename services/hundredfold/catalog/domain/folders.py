"""Walks folders, local or remote, in an order that is the same every time."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

IMAGE_SUFFIXES = (
    ".jpg",
    ".jpeg",
    ".jpe",
    ".jfif",
    ".png",
    ".gif",
    ".webp",
    ".bmp",
    ".tif",
    ".tiff",
)
WILDCARDS = re.compile(r"[*?\[]")


@dataclass(frozen=True, slots=True)
class Entry:
    """A name in a folder; a symbolic link to a folder counts as a file, so that no loop is walked."""

    name: str
    is_folder: bool


@dataclass
class Walk:
    """A walk and what it passed over.

    Attributes:
        list_folder: the entries of a folder, given its path below the root ("" for the root itself).
        wanted: whether a path below the root is to be taken.
        depth: how many folders deep to go; None for all.
        passed_over: files that were not taken, counted as they are met.
    """

    list_folder: Callable[[str], Iterable[Entry]]
    wanted: Callable[[str], bool]
    depth: int | None = None
    passed_over: int = field(default=0, init=False)

    def __iter__(self) -> Iterator[str]:
        """The paths below the root: the files of a folder by name, then those of its subfolders.

        One folder's names are in memory at a time, and the names of the subfolders still to be walked.
        """
        pending = [""]
        while pending:
            folder = pending.pop()
            names, folders = self._sorted(folder)
            for name in names:
                path = folder + name
                if self.wanted(path):
                    yield path
                else:
                    self.passed_over += 1
            if self.depth is None or folder.count("/") < self.depth:
                pending.extend(f"{folder}{name}/" for name in reversed(folders))

    def _sorted(self, folder: str) -> tuple[list[str], list[str]]:
        names: list[str] = []
        folders: list[str] = []
        for entry in self.list_folder(folder):
            if entry.name.startswith("."):
                self.passed_over += not entry.is_folder
            else:
                (folders if entry.is_folder else names).append(entry.name)
        return sorted(names), sorted(folders)


def is_image_name(path: str) -> bool:
    """Whether the suffix is that of an image."""
    return path.lower().endswith(IMAGE_SUFFIXES)


def split_pattern(pattern: str) -> tuple[str, str]:
    """Split a glob into the folder before the first wildcard and the rest.

    `/data/2024*/a/*.jpg` gives (`/data`, `2024*/a/*.jpg`).
    """
    wildcard = WILDCARDS.search(pattern)
    if wildcard is None:
        return pattern, ""
    at = pattern.rfind("/", 0, wildcard.start())
    return pattern[:at] or "/", pattern[at + 1 :]


def matcher(pattern: str) -> Callable[[str], bool]:
    """Whether a path matches a glob: `*` and `?` stay within a folder, `**/` is any depth, `[a-z]`."""
    compiled = re.compile("".join(_translated(pattern)), re.DOTALL)
    return lambda path: compiled.fullmatch(path) is not None


def depth_of(pattern: str) -> int | None:
    """How many folders deep a glob can reach; None for `**`."""
    return None if "**" in pattern else pattern.count("/")


_TOKEN = re.compile(r"\*\*/|\*\*|\*|\?|\[!?\]?[^\]]*\]|.", re.DOTALL)
_MEANING = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}


def _translated(pattern: str) -> Iterator[str]:
    for token in _TOKEN.findall(pattern):
        if len(token) > 1 and token.startswith("["):
            negated = "^" if token[1] == "!" else ""
            members = token[2:-1] if negated else token[1:-1]
            yield "[" + negated + re.sub(r"([\\\[\]^&~|])", r"\\\1", members) + "]"
        else:
            yield _MEANING.get(token, re.escape(token))
