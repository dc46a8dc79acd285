"""Which image each line of a file of labels means."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

IDENTITIES = ("key", "row", "uri", "path")
"""The columns that can name an image, the first that is there counts."""


@dataclass(frozen=True, slots=True)
class Hint:
    """What else a line says of its image, to choose among several of the same name."""

    uri: str = ""
    row: int = -1

    def fits(self, uri: str, row: int) -> int:
        """How well: 0 to 3."""
        return 2 * (self.uri == uri) + (self.row == row)


class Matcher:
    """Finds the lines for images that are shown to it one by one.

    A line that fits several images equally well means none of them: a wrong label is worse than none.
    Of several lines for one image that fit equally well, the last counts.

    Args:
        by: one of `IDENTITIES`.
        names: the value of that column in each line; a `path` may be the key or the URI of an image.
        hints: what else each line says.
    """

    def __init__(self, by: str, names: Sequence[Any], hints: Sequence[Hint]) -> None:
        self._by = by
        self._hints = hints
        self._lines: dict[Any, list[int]] = {}
        for line, name in enumerate(names):
            self._lines.setdefault(name, []).append(line)
        self._rows: dict[int, tuple[int, list[int]]] = {}
        self._seen: set[Any] = set()

    def see(self, image: Mapping[str, Any]) -> None:
        """An image of the collection: its row, uri and key."""
        for name in self._names(image):
            if lines := self._lines.get(name):
                self._seen.add(name)
                self._match(image, lines)

    def found(self) -> dict[int, int]:
        """Row -> line."""
        return {rows[0]: line for line, (_, rows) in sorted(self._rows.items()) if len(rows) == 1}

    def strange(self) -> int:
        """Lines that mean no image, or no certain one."""
        absent = sum(len(lines) for name, lines in self._lines.items() if name not in self._seen)
        return absent + sum(1 for _, rows in self._rows.values() if len(rows) > 1)

    def _names(self, image: Mapping[str, Any]) -> set[Any]:
        if self._by == "path":
            return {image["key"], image["uri"]}
        return {image[self._by]}

    def _match(self, image: Mapping[str, Any], lines: list[int]) -> None:
        row, uri = image["row"], image["uri"]
        fit, line = max((self._hints[line].fits(uri, row), line) for line in lines)
        best, rows = self._rows.get(line, (-1, []))
        if fit > best:
            self._rows[line] = fit, [row]
        elif fit == best:
            rows.append(row)
