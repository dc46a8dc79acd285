"""Which kind of index a space gets: from its rows, its dimension and the memory it may take.

The first line of this table that holds, `d` numbers a vector, bytes a vector with its id and row:

| kind     | when                                        | codes                               | bytes   |
|----------|---------------------------------------------|-------------------------------------|---------|
| `flat`   | fewer than `exact_below` rows, and it fits  | float32, compared one by one: exact | 4 d + 8 |
| `sq8`    | d <= 256 and it fits; or under 10,000 rows  | 8 bits a number                     | d + 16  |
| `rabitq` | it fits                                     | 1 bit for each of <= 256 main axes  | <= 56   |
| `pq64`   | it fits                                     | 64 x 4 bits, <= 128 main axes       | <= 48   |
| `pq32`   | it fits; else refused                       | 32 x 4 bits, <= 64 main axes        | <= 32   |

All but `flat` have inverted lists, 2 for each root of a vector, and only propose candidates: their exact
cosines come from the float16 vectors of the space, which are memory-mapped and not counted here.
Measured in docs/adr/0022-index-factory.md.
"""

from dataclasses import dataclass

EXACT_BELOW = 200_000
SQ8_AXES = 256
RABITQ_AXES = 256
CODES_FROM = 10_000
"""With fewer rows there is nothing to be saved, and too little to learn main axes from."""

TRAINING_PER_LIST = 40
_FLOAT = 4
_ID = 8
_ROW = 8
_RABITQ_FACTORS = 8


@dataclass(frozen=True)
class Plan:
    """The index that a space is to have.

    Attributes:
        kind: as in the table.
        factory: for `faiss.index_factory`.
        lists: inverted lists, 0 for "flat".
        axes: numbers of a vector that are coded.
        memory: bytes that it takes.
    """

    kind: str
    factory: str
    lists: int
    axes: int
    memory: int


class TooLittleMemory(Exception):
    """No index of the table fits.

    Attributes:
        least: bytes that the smallest needs.
    """

    def __init__(self, least: int) -> None:
        super().__init__(f"the smallest index needs {least} bytes")
        self.least = least


def choose(rows: int, dimensions: int, memory: int = 0, *, exact_below: int = EXACT_BELOW) -> Plan:
    """The first line of the table that holds.

    Args:
        rows: vectors, at least 1.
        dimensions: numbers of each, at least 1.
        memory: bytes that the index may take; 0 = any.
        exact_below: from so many rows on there are inverted lists.

    Raises:
        TooLittleMemory: nothing fits.
    """
    flat = Plan("flat", "Flat", 0, dimensions, rows * (_FLOAT * dimensions + _ROW))
    plans = [flat] if rows < exact_below else []
    plans += [_sq8(rows, dimensions)] if rows < CODES_FROM else _coded(rows, dimensions)
    found = next((plan for plan in plans if _fits(plan, memory)), None)
    if found:
        return found
    if rows < CODES_FROM:
        return plans[-1]
    raise TooLittleMemory(min(plan.memory for plan in plans))


def _fits(plan: Plan, memory: int) -> bool:
    return memory == 0 or plan.memory <= memory


def _coded(rows: int, dimensions: int) -> list[Plan]:
    """Every kind with codes that a dimension can have, most exact first."""
    plans = [_sq8(rows, dimensions)] if dimensions <= SQ8_AXES else []
    axes = min(dimensions, RABITQ_AXES)
    codes = (axes + 7) // 8 + _RABITQ_FACTORS
    plans.append(_listed("rabitq", rows, dimensions, axes=axes, codec="RaBitQ", code=codes))
    for pieces in (64, 32):
        if dimensions >= 2 * pieces:
            codec, code = f"PQ{pieces}x4fs", pieces // 2
            kind = f"pq{pieces}"
            plans.append(_listed(kind, rows, dimensions, axes=2 * pieces, codec=codec, code=code))
    return plans


def _sq8(rows: int, dimensions: int) -> Plan:
    return _listed("sq8", rows, dimensions, axes=dimensions, codec="SQ8", code=dimensions)


def _listed(kind: str, rows: int, dimensions: int, *, axes: int, codec: str, code: int) -> Plan:
    # Each list needs some vectors to be trained on.
    lists = max(1, min(round(2 * rows**0.5), rows // TRAINING_PER_LIST))
    turned = _turn(kind, dimensions, axes)
    # faiss keeps all main axes beside those it uses.
    matrix = (axes + dimensions) * dimensions * _FLOAT if turned else 0
    memory = rows * (code + _ID + _ROW) + lists * axes * _FLOAT + matrix
    return Plan(kind, f"{turned}IVF{lists},{codec}", lists, axes, memory)


def _turn(kind: str, dimensions: int, axes: int) -> str:
    """What is done to vectors before they are coded: bits must say equally much of every axis."""
    if kind == "sq8":
        return ""
    if kind == "rabitq":
        return f"PCAR{axes}," if axes < dimensions else f"RR{axes},"
    return f"PCA{axes},"
