"""Makes sure that the default backbone is there: exports it, in a process of its own, when it is not."""

import logging
import subprocess
import sys
import threading

from hundredfold.chassis.backbones.cards import ModelCard
from hundredfold.chassis.backbones.repository import ModelRepository
from hundredfold.chassis.errors import Conflict
from hundredfold.chassis.storage.layout import name_and_version

_log = logging.getLogger(__name__)
_SECONDS = 600


class Models:
    """The models that callers may name.

    Args:
        repository: where they are.
        root: root of the store, for the export.
        default: `name@version` of the model that is meant when none is named.
    """

    def __init__(self, repository: ModelRepository, root: str, default: str) -> None:
        self.repository = repository
        self._root = root
        self._default = default
        self._lock = threading.Lock()

    def find(self, model: str) -> ModelCard:
        """The card of a model, "" meaning the default, which is made if it is not there yet.

        Raises:
            InvalidArgument: not of the form `name@version`.
            NotFound: there is no such model.
            Conflict: the default is not there and can't be made here; says what to install.
        """
        wanted = self.name(model)
        if wanted == self._default:
            self.provide()
        return self.repository.card(wanted)

    def name(self, model: str) -> str:
        """The `name@version` that is meant, "" meaning the default; makes nothing, so it is quick.

        Raises:
            InvalidArgument: not of the form `name@version`.
            NotFound: there is no such model, and it is not the default, which can be made.
        """
        wanted = model or self._default
        return wanted if wanted == self._default else self.repository.card(wanted).model

    def page(self, after: str, size: int) -> tuple[list[ModelCard], bool]:
        """At most `size` models behind that named `after`, and whether there are more.

        They are ordered by name, newest version first.
        """
        cards = self.repository.cards()
        if after:
            cards = [card for card in cards if _order(card.model) > _order(after)]
        return cards[:size], len(cards) > size

    def provide(self) -> None:
        """Make the default model if it is not there; one at a time.

        Raises:
            Conflict: EXPORT_FAILED.
        """
        with self._lock:
            if not self.repository.has(self._default):
                self._export()

    def _export(self) -> None:
        _log.info("exporting %s into the model repository", self._default)
        name, version = name_and_version(self._default)
        command = [sys.executable, "-m", "hundredfold.embedding.export", name]
        command += ["--store", self._root, "--version", str(version)]
        try:
            done = subprocess.run(  # noqa: S603  our own module, arguments checked, no shell
                command, capture_output=True, text=True, timeout=_SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            raise _failed(self._default, f"no result after {_SECONDS} s") from None
        if done.returncode:
            raise _failed(self._default, (done.stderr.strip().splitlines() or ["no reason"])[-1])


def _order(model: str) -> tuple[str, int]:
    name, version = name_and_version(model)
    return name, -version


def _failed(model: str, why: str) -> Conflict:
    return Conflict(
        f"{model} is not in the model repository and could not be made: {why}. Run `python -m "
        "hundredfold.embedding.export` where the extra `export` is installed, on the same store",
        reason="EXPORT_FAILED",
    )
