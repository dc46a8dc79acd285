"""Start a service as if only its extra were installed: `python only_extra.py SERVICE`.

Every module of a distribution that `hundredfold[SERVICE]` does not ask for is hidden.
"""

import runpy
import sys
from collections.abc import Sequence
from importlib import metadata
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


def closure(extra: str) -> set[str]:
    """The names of all distributions that `hundredfold[extra]` brings."""
    wanted: set[tuple[str, str]] = set()
    waiting = [("hundredfold", extra)]
    while waiting:
        name, with_extra = waiting.pop()
        if (name, with_extra) in wanted:
            continue
        wanted.add((name, with_extra))
        try:
            requirements = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue  # not for this platform or Python
        for requirement in map(Requirement, requirements):
            marker = requirement.marker
            if marker is None or marker.evaluate({"extra": with_extra}):
                waiting += [
                    (canonicalize_name(requirement.name), each)
                    for each in {"", *requirement.extras}
                ]
    return {name for name, _ in wanted}


class Hidden(MetaPathFinder):
    """Finds nothing where a hidden module is asked for."""

    def __init__(self, modules: set[str]) -> None:
        self._modules = modules

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Refuse a hidden module, leave others to the next finder."""
        if fullname.partition(".")[0] in self._modules:
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)
        return None


def main() -> None:
    """Hide what does not belong to the extra, then run the service."""
    service = sys.argv.pop()
    allowed = closure(service)
    hidden = {
        module
        for module, distributions in metadata.packages_distributions().items()
        if not {canonicalize_name(each) for each in distributions} & allowed
    }
    sys.meta_path.insert(0, Hidden(hidden))
    runpy.run_module(f"hundredfold.{service}", run_name="__main__")


if __name__ == "__main__":
    main()
