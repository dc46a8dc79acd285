"""Runs that write labels to files and read them from files."""

import posixpath
from pathlib import Path

from hundredfold.chassis.errors import InvalidArgument, ServiceError
from hundredfold.chassis.runs import Run, Runs
from hundredfold.chassis.sources import Sources
from hundredfold.labels.formats import FORMATS
from hundredfold.labels.formats.base import FileFormat

EXPORT = "export"
IMPORT = "import"


class Transfer:
    """Checks what is asked, and starts the runs.

    Args:
        runs: with the jobs `EXPORT` and `IMPORT`.
        roots: where exports may be written.
        readable: what imports may read.
    """

    def __init__(self, runs: Runs, roots: Sources, readable: Sources) -> None:
        self._runs = runs
        self._roots = roots
        self._readable = readable

    def start_export(
        self,
        collection: str,
        format_name: str,
        destination: str,
        request_id: str,
        *,
        include_unlabelled: bool,
    ) -> Run:
        """Start to write labels.

        Raises:
            InvalidArgument: the destination can't be one.
            PermissionDenied: it is outside the allowed roots.
        """
        if destination:
            destination = _allowed(self._roots, destination, "destination")
            _check_kind(destination, format_name)
        parameters = {
            "format": format_name,
            "destination": destination,
            "include_unlabelled": include_unlabelled,
        }
        return self._runs.start(EXPORT, collection, parameters, request_id=request_id)

    def start_import(
        self,
        collection: str,
        format_name: str,
        source: str,
        request_id: str,
        *,
        actor: str,
        preview: bool = False,
    ) -> Run:
        """Start to read labels, or with `preview` only to count what would be taken.

        Raises:
            InvalidArgument: the format can't be read.
            PermissionDenied: the source is outside the allowed roots.
        """
        if not isinstance(FORMATS[format_name], FileFormat):
            raise InvalidArgument(f"labels can't be imported from {format_name}", field="format")
        parameters = {
            "format": format_name,
            "source": _allowed(self._readable, source, "source"),
            "actor": actor,
            "preview": preview,
        }
        return self._runs.start(IMPORT, collection, parameters, request_id=request_id)


def _allowed(roots: Sources, uri: str, field: str) -> str:
    try:
        return roots.check(uri)
    except ServiceError as error:
        error.field = field
        raise


def _check_kind(destination: str, format_name: str) -> None:
    wants_file = isinstance(FORMATS[format_name], FileFormat)
    if not posixpath.basename(destination) or (wants_file and Path(destination).is_dir()):
        raise InvalidArgument(
            "the destination must be a file, or for IMAGENET a folder", field="destination"
        )
    if not wants_file and Path(destination).is_file():
        raise InvalidArgument("the destination must be a folder", field="destination")
