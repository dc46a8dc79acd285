import subprocess
import sys

_AHEAD = """
import sys
from hundredfold.hashing.compiling import compile_ahead
compile_ahead().join()
from hundredfold.hashing.domain import near
known = set(sys.modules)
list(near.near_pairs(near.distinct(__import__("numpy").arange(64, dtype="uint64")).values, 2))
print(sorted(name for name in set(sys.modules) - known if name.startswith("hundredfold")))
"""


def test_a_join_after_it_compiles_nothing_more() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _AHEAD], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.strip() == "[]"
