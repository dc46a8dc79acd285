"""imagededup, in a virtual environment of its own: it asks for libraries that the project does not want."""

import json
import subprocess
import sys
import sysconfig
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

VERSION = "0.3.3.post2"
METHODS = ("PHash", "DHash")
CNN = "imagededup's CNN is left out: its weights are loaded from the network at its first use"

_SECONDS = 300

_ENCODE = """
import json, pathlib, sys
import numpy as np
from PIL import Image
from imagededup import methods
found = {}
for name in sys.argv[2:]:
    method = getattr(methods, name)(verbose=False)
    found[name] = {
        path.name: method.encode_image(image_file=path)
        for path in sorted(pathlib.Path(sys.argv[1]).glob("*.jpg"))
    }
json.dump(found, sys.stdout)
"""


class Missing(Exception):
    """Why imagededup can't be measured."""


def install(folder: Path) -> Path:
    """Make an environment with imagededup that shares what is installed here, and return its Python.

    Raises:
        Missing: it can't be installed.
    """
    _run([sys.executable, "-m", "venv", str(folder)])
    python = folder / "bin" / "python"
    packages = _run([str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"])
    shared = Path(packages.strip()) / "shared.pth"
    shared.write_text(sysconfig.get_path("purelib"))
    pip = [str(python), "-m", "pip", "install", "--quiet", "--no-deps"]
    _run([*pip, f"imagededup=={VERSION}", "PyWavelets", "tqdm"])
    return python


def encode(python: Path, folder: Path) -> dict[str, dict[str, NDArray[np.uint64]]]:
    """The hashes of files `<number>.<kind>.jpg`: by method and kind, uint64 [n] in order.

    Raises:
        Missing: it fails.
    """
    out = json.loads(_run([str(python), "-c", _ENCODE, str(folder), *METHODS]))
    return {method: _by_kind(hashes) for method, hashes in out.items()}


def _by_kind(hashes: dict[str, str]) -> dict[str, NDArray[np.uint64]]:
    kinds: dict[str, list[int]] = {}
    for name in sorted(hashes):
        kinds.setdefault(name.split(".")[1], []).append(int(hashes[name], 16))
    return {kind: np.array(values, np.uint64) for kind, values in kinds.items()}


def _run(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=True)
    except subprocess.CalledProcessError as error:
        raise Missing(error.stderr.strip().splitlines()[-1][:300]) from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Missing(str(error)[:300]) from error
    return done.stdout
