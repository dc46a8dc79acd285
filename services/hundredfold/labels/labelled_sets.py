"""The lines of a file of labels where an image may be of several classes: names joined by `;`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hundredfold.chassis.errors import InvalidArgument
from hundredfold.labels.domain.copies import Copies
from hundredfold.labels.domain.event import Judgement, Verdict
from hundredfold.labels.domain.page import NO_ROWS, Rows
from hundredfold.labels.formats.base import JOINT, Lines
from hundredfold.labels.labelled_lines import LabelledLines


@dataclass(slots=True)
class _Sets:
    """The classes that an image is of, and those that it is not of."""

    yes: set[int] = field(default_factory=set)
    no: set[int] = field(default_factory=set)


class LabelledSets(LabelledLines):
    """The lines of a file: `label` names what an image is, `not_label`, if it is there, what it is not.

    Classes that a line does not name stay unknown. Lines that name the same image are taken together.
    """

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self._sets: list[_Sets] = []
        self._place: dict[Any, int] = {}

    def judgements(self, found: Mapping[int, int], copies: Copies | None) -> tuple[Judgement, ...]:
        """See LabelledLines."""
        said: dict[tuple[int, Verdict], list[int]] = {}
        for row, line in self._of_representatives(found, copies):
            for verdict, class_ids in (
                (Verdict.IS, self._sets[line].yes),
                (Verdict.IS_NOT, self._sets[line].no),
            ):
                for class_id in class_ids:
                    said.setdefault((class_id, verdict), []).append(row)
        return tuple(
            Judgement(class_id, verdict, np.unique(rows))
            for (class_id, verdict), rows in sorted(said.items())
        )

    def _of_representatives(
        self, found: Mapping[int, int], copies: Copies | None
    ) -> list[tuple[int, int]]:
        """Row and line; where a copy and its representative have one each, that of the latter counts."""
        if copies is None:
            return list(found.items())
        rows: Rows = np.fromiter(found, np.int64, len(found)) if found else NO_ROWS
        source = copies.of(rows)
        own = {int(row) for row in source[source == rows]}
        pairs = zip(rows.tolist(), source.tolist(), strict=True)
        return [(to, found[row]) for row, to in pairs if to == row or (to >= 0 and to not in own)]

    def _take(self, lines: Lines, at: int, labels: Sequence[Any], *, by_name: bool) -> None:
        yes = self._classes(labels[at], by_name=by_name)
        no = self._classes(self._cell(lines, "not_label", at), by_name=True)
        if not yes and not no:
            self.unlabelled += 1
            return
        name = self._name(lines, at)
        place = self._place.setdefault(name, len(self._sets))
        if place == len(self._sets):
            self._sets.append(_Sets())
            self.names.append(name)
            self.hints.append(self._hint(lines, at))
        sets = self._sets[place]
        sets.yes |= yes
        sets.no |= no
        if both := sets.yes & sets.no:
            raise InvalidArgument(
                f"{str(name)[:80]!r} is said to be, and not to be, of class {min(both)}",
                field="source",
            )

    def _classes(self, text: Any, *, by_name: bool) -> set[int]:
        names = [] if text is None else [each.strip() for each in str(text).split(JOINT)]
        return {self._class(each, by_name=by_name) for each in names if each} - {0}
