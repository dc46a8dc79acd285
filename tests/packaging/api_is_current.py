"""Fail when the generated API is not what the protos give: run by `make check`."""

import filecmp
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
GENERATED = Path("hundredfold") / "api"


def main() -> int:
    """Generate anew beside the committed API and compare."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, str(ROOT / "protos" / "generate.py"), folder]
        subprocess.run(command, check=True, capture_output=True)
        stale = sorted(_different(ROOT / "services" / GENERATED, Path(folder) / GENERATED))
    for path in stale:
        sys.stderr.write(f"not current: {path}\n")
    if stale:
        sys.stderr.write("run `make gen` and commit what it writes\n")
    return 1 if stale else 0


def _different(have: Path, want: Path) -> set[str]:
    files = {
        str(path.relative_to(root))
        for root in (have, want)
        for path in root.rglob("*")
        if path.is_file() and path.suffix in {".py", ".pyi"}
    }
    _, mismatch, missing = filecmp.cmpfiles(have, want, files, shallow=False)
    return {*mismatch, *missing}


if __name__ == "__main__":
    sys.exit(main())
