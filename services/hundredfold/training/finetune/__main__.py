"""The process that trains: `python -m hundredfold.training.finetune FOLDER`.

It tells on stdout, a JSON document a line: {"message"} with {"done", "total"} while it
does steps, and at last {"result"} or
{"error"}. It ends at once when its stdin does, which happens when the service is gone.
"""

import json
import os
import sys
import threading
from pathlib import Path
from typing import Any

from hundredfold.chassis.errors import ServiceError
from hundredfold.training.finetune.task import Task

_NICE = 10
_LEFT_ALONE = 3


def main() -> int:
    """Do the task of the folder that is named on the command line."""
    out = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1, encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what libraries print is no message of ours
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.nice(_NICE)
    folder = Path(sys.argv[1])

    def say(**message: Any) -> None:
        out.write(json.dumps(message) + "\n")

    try:
        say(result=_work(folder, say))
    except ServiceError as error:
        say(error={"code": error.code, "reason": error.reason, "message": error.message})
        return 1
    return 0


def _work(folder: Path, say: Any) -> dict[str, Any]:
    # Here, not above: this imports PyTorch, and a service that is gone meanwhile is noticed.
    import torch  # noqa: PLC0415

    from hundredfold.training.finetune.work import FineTuning  # noqa: PLC0415

    torch.set_num_threads(Task.read(folder).threads)
    return FineTuning(folder, lambda message, **steps: say(message=message, **steps))()


def _end_with_parent() -> None:
    while os.read(sys.stdin.fileno(), 1024):
        pass
    os._exit(_LEFT_ALONE)


if __name__ == "__main__":
    sys.exit(main())
