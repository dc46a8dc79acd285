"""The stages of an audit: the ledger draws them, and who decides when to audit reckons with them."""

import math

GROWTH = 2.0
MOST_STAGES = 2
CLASS_IMAGES = 12
LEAST_STAGE = 30


def stages(most: int, classes: int) -> tuple[int, ...]:
    """How many images have been looked at after each stage; the last is `most`.

    Each stage is twice the one before, and adds enough for pages that are each of one class: every page costs a
    look.
    """
    for count in range(MOST_STAGES, 1, -1):
        first = most / GROWTH ** (count - 1)
        if first >= LEAST_STAGE and first * (GROWTH - 1) >= CLASS_IMAGES * classes:
            return (*(math.ceil(first * GROWTH**each) for each in range(count - 1)), most)
    return (most,)
