"""What the comments of the protos promise, for comparison with what services answer."""

import re
from pathlib import Path

_PROTOS = Path(__file__).parents[2] / "protos"
_RESULT = re.compile(r"message (\w+)Response {\s*// Its result: {([^}]*)}")


def result_keys(rpc: str) -> set[str]:
    """The keys of the JSON result of the run that an RPC starts, as its response's comment says."""
    texts = (path.read_text("utf-8") for path in _PROTOS.rglob("*.proto"))
    (keys,) = (
        set(re.findall(r'"(\w+)":', found[2]))
        for text in texts
        for found in _RESULT.finditer(text)
        if found[1] == rpc
    )
    return keys
