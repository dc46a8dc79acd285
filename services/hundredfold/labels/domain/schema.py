"""The classes that labels may name."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from hundredfold.labels.domain.page import Ids, Rows


@dataclass(frozen=True)
class Schema:
    """The classes of a collection. A class with children is divided: what is of it is of one of them.

    Attributes:
        names: class -> name; merged classes included.
        merged: class -> the class it was merged into, for merged classes.
        parents: class -> its parent, for classes that have one.
        several: whether an image may be of several classes.
    """

    names: Mapping[int, str] = field(default_factory=dict)
    merged: Mapping[int, int] = field(default_factory=dict)
    parents: Mapping[int, int] = field(default_factory=dict)
    several: bool = False

    def unknown(self, class_ids: Iterable[int]) -> list[int]:
        """Those that are no classes of the schema, ascending."""
        return sorted(set(class_ids) - self.names.keys())

    def in_use(self, class_id: int) -> int:
        """The class that this one is part of by now: itself unless it was merged."""
        seen = {class_id}
        while (into := self.merged.get(class_id, 0)) and into not in seen:
            seen.add(into)
            class_id = into
        return class_id

    @cached_property
    def used(self) -> Ids:
        """int32 [k], ascending: the classes in use."""
        return np.array(sorted(self.names.keys() - self.merged.keys()), np.int32)

    def resolve(self, class_ids: Ids) -> Ids:
        """int32 [n]: the classes in use of classes [n]."""
        if not self.merged or not class_ids.size:
            return class_ids
        table = np.arange(int(class_ids.max()) + 1, dtype=np.int32)
        for class_id in self.merged:
            if class_id < len(table):
                table[class_id] = self.in_use(class_id)
        return table[class_ids]

    @cached_property
    def divided(self) -> Ids:
        """int32 [k], ascending: the classes with children, also those that were merged into such a class."""
        children = self._children
        return np.array(
            sorted(each for each in self.names if self.in_use(each) in children), np.int32
        )

    def above(self, class_id: int) -> list[int]:
        """The classes that a class is beneath, the nearest first."""
        found: list[int] = []
        class_id = self.in_use(class_id)
        while (parent := self.in_use(self.parents.get(class_id, 0))) and parent not in found:
            found.append(parent)
            class_id = parent
        return found

    def ends(self, rows: Rows, class_ids: Ids) -> tuple[Rows, Ids]:
        """Pairs of rows [n] and classes in use [n], each divided class replaced by what it is divided into.

        Returns:
            int64 [m] and int32 [m], ordered by row, then class; no pair twice.
        """
        if not np.isin(class_ids, self.divided).any():
            return rows, class_ids
        pieces = []
        for class_id in np.unique(class_ids).tolist():
            ends = np.array(sorted(self._ends(class_id)), np.int64)
            pieces.append((rows[class_ids == class_id, None] << 32 | ends).ravel())
        keys = np.unique(np.concatenate(pieces))
        return keys >> 32, (keys & 0xFFFFFFFF).astype(np.int32)

    def _ends(self, class_id: int) -> Iterator[int]:
        children = self._children.get(class_id, ())
        if not children:
            yield class_id
        for child in children:
            yield from self._ends(child)

    @cached_property
    def _children(self) -> dict[int, list[int]]:
        """Class in use -> its children in use, of those that have some; a loop in the schema has none."""
        found: dict[int, list[int]] = {}
        for class_id in self.names:
            above = [] if class_id in self.merged else self.above(class_id)
            if above and class_id not in above:
                found.setdefault(above[0], []).append(class_id)
        return found

    def by_name(self) -> dict[str, int]:
        """Name -> class in use. A name that a merged class had means the class it is part of."""
        found = {self.names[old]: self.in_use(old) for old in self.merged if old in self.names}
        return found | {name: each for each, name in self.names.items() if each not in self.merged}
