"""Memory that is freed and asked for again is not fetched from the kernel each time."""

import subprocess
import sys

import pytest

PROGRAM = """
import resource
import numpy as np
from hundredfold.chassis.memory import keep_freed_memory

kept = keep_freed_memory()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(200):
    squares = [np.ones(150_000, np.uint8) for _ in range(32)]
    np.concatenate(squares)
    del squares
print(int(kept), resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def test_blocks_that_are_asked_for_again_are_there_already() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], check=True, capture_output=True, text=True
    )
    kept, faults = map(int, done.stdout.split())
    if not kept:
        pytest.skip("the allocator is not glibc's")
    # Without it each of the 200 rounds fetches some 1,800 pages; with it the first few do.
    assert faults < 20 * 1_800
