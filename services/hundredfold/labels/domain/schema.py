"""The classes that labels may name."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from hundredfold.labels.domain.page import Ids


@dataclass(frozen=True, slots=True)
class Schema:
    """The classes of a collection.

    Attributes:
        names: class -> name; merged classes included.
        merged: class -> the class it was merged into, for merged classes.
    """

    names: Mapping[int, str] = field(default_factory=dict)
    merged: Mapping[int, int] = field(default_factory=dict)

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

    def resolve(self, class_ids: Ids) -> Ids:
        """int32 [n]: the classes in use of classes [n]."""
        if not self.merged or not class_ids.size:
            return class_ids
        table = np.arange(int(class_ids.max()) + 1, dtype=np.int32)
        for class_id in self.merged:
            if class_id < len(table):
                table[class_id] = self.in_use(class_id)
        return table[class_ids]

    def by_name(self) -> dict[str, int]:
        """Name -> class in use. A name that a merged class had means the class it is part of."""
        found = {self.names[old]: self.in_use(old) for old in self.merged if old in self.names}
        return found | {name: each for each, name in self.names.items() if each not in self.merged}
