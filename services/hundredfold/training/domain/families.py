"""Classes of classes: of which parent an image is, so that people can be asked that first."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hundredfold.training.domain.hearsay import RuledOut

_LIKELY = 0.5


@dataclass(frozen=True)
class Families:
    """The parents of the outputs of a head.

    Attributes:
        parents: int32 [F], class ids.
        members: bool [F, C], the outputs beneath each.
        chains: int64 [depth, C], the places of the parents of each output, the nearest first; -1 = none.
    """

    parents: NDArray[np.int32]
    members: NDArray[np.bool_]
    chains: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.parents)

    def to_ask(
        self, probabilities: NDArray[np.float32], top: NDArray[np.int64], ruled: RuledOut
    ) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """The parent to ask about, int32 [m] (0 = none), and that an image is of it, float32 [m].

        It is above the likeliest class: the lowest that is likelier than not, else the highest. None
        where nothing but what is beneath it is left.

        Args:
            probabilities: float32 [m, C].
            top: int64 [m], the likeliest output; -1 = none.
            ruled: what is known of them.
        """
        mass = probabilities @ self.members.T.astype(np.float32)
        every, place = np.arange(len(top)), np.full(len(top), -1)
        for chain in self.chains[::-1]:
            here = np.where(top >= 0, chain[top], -1)
            place = np.where(
                (here >= 0) & ((place < 0) | (mass[every, here] > _LIKELY)), here, place
            )
        elsewhere = (~ruled.out & ~self.members[place[ruled.at]]).any(1)
        place[ruled.at[~elsewhere]] = -1
        none = place < 0
        parents = np.where(none, np.int32(0), self.parents[place])
        return parents, np.where(none, np.float32(0), mass[every, place])


def of(class_ids: NDArray[np.int32], parent_of: Mapping[int, int]) -> Families:
    """The families of the outputs `class_ids`, int32 [C], by the parents of classes in use."""
    lines = [_line(class_id, parent_of) for class_id in class_ids.tolist()]
    parents = sorted({parent for line in lines for parent in line})
    place = {parent: number for number, parent in enumerate(parents)}
    chains = np.full((max(map(len, lines), default=0), len(lines)), -1, np.int64)
    members = np.zeros((len(parents), len(lines)), np.bool_)
    for output, line in enumerate(lines):
        for depth, parent in enumerate(line):
            chains[depth, output] = place[parent]
            members[place[parent], output] = True
    return Families(np.array(parents, np.int32), members, chains)


def _line(class_id: int, parent_of: Mapping[int, int]) -> list[int]:
    """The parents of a class, the nearest first."""
    line: list[int] = []
    while (class_id := parent_of.get(class_id, 0)) and class_id not in line:
        line.append(class_id)
    return line


NO_FAMILIES = of(np.empty(0, np.int32), {})
