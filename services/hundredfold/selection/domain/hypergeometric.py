"""Wrong ones in a sample that is drawn without replacement.

Beside the ledger's own, which is exact to the last digit and slow to load: this is for the many what-ifs of
planning, good to 1e-9.
"""

import math

import numpy as np
from numpy.typing import NDArray


def most_errors(population: int, sample: int, room: int, spent: float) -> int:
    """How many errors a sample may have so that the bound holds; -1 = even none are too many.

    With e errors, which are put right, the bound holds when it is ruled out that there were more than
    `room` + e wrong ones.
    """
    if room < 0:
        return -1
    low, high = -1, sample
    while low < high:
        middle = (low + high + 1) // 2
        more = min(room + middle + 1, population + 1)
        if more > population or at_most(middle, population, more, sample) <= spent:
            low = middle
        else:
            high = middle - 1
    return low


def at_most(errors: int, population: int, wrong: int, sample: int) -> float:
    """P(at most so many wrong ones in a sample), drawn without replacement: hypergeometric."""
    least = max(0, sample - (population - wrong))
    most = min(errors, wrong, sample)
    if errors >= min(wrong, sample):
        return 1.0
    if most < least:
        return 0.0
    k = np.arange(least, most + 1, dtype=np.float64)
    logs = (
        _choose(np.float64(wrong), k)
        + _choose(np.float64(population - wrong), sample - k)
        - _choose(np.float64(population), np.float64(sample))
    )
    return float(min(1.0, np.exp(logs).sum()))


def _choose(n: "np.float64", k: "NDArray[np.float64] | np.float64") -> NDArray[np.float64]:
    """The logarithm of n choose k."""
    return np.asarray(_log_factorial(n) - _log_factorial(k) - _log_factorial(n - k))


def _log_factorial(n: "NDArray[np.float64] | np.float64") -> NDArray[np.float64]:
    """The logarithm of n! by Stirling's series, shifted by 8 so that it is good to 1e-10 for small n too."""
    x = np.asarray(n, np.float64) + 9
    series = (x - 0.5) * np.log(x) - x + 0.5 * math.log(2 * math.pi) + 1 / (12 * x)
    series += -1 / (360 * x**3) + 1 / (1260 * x**5)
    steps = np.ones_like(x)
    for step in range(1, 9):
        steps *= x - step
    return np.asarray(series - np.log(steps))
