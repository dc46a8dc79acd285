"""Generate the Python API from the protos: `python protos/generate.py` (or `make gen`).

Writes `services/hundredfold/api/`, which is committed and never edited by hand; with a folder as
argument writes there instead.
"""

import shutil
import sys
from importlib.resources import files
from pathlib import Path

from grpc_tools import protoc

PROTOS = Path(__file__).parent
SERVICES = PROTOS.parent / "services"


def main(output: Path = SERVICES) -> int:
    """Generate everything anew below a source root and return protoc's exit code."""
    generated = output / "hundredfold" / "api"
    shutil.rmtree(generated, ignore_errors=True)
    sources = sorted(PROTOS.rglob("*.proto"))
    with_service = [path for path in sources if "\nservice " in path.read_text("utf-8")]
    code = _run(output, sources, "--python_out", "--mypy_out") or _run(
        output, with_service, "--grpc_python_out", "--mypy_grpc_out"
    )
    for folder in [generated, *(path for path in generated.rglob("*") if path.is_dir())]:
        (folder / "__init__.py").write_text("", "utf-8")
    return code


def _run(output: Path, sources: list[Path], *outputs: str) -> int:
    well_known = files("grpc_tools") / "_proto"
    arguments = ["protoc", f"-I{PROTOS}", f"-I{well_known}"]
    arguments += [f"{each}={output}" for each in outputs]
    return int(protoc.main([*arguments, *(str(path) for path in sources)]))


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])))
