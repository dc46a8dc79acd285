"""Folders as of ImageNet: one a class, with copies of the original files."""

import posixpath
import zlib
from collections.abc import Iterator
from typing import Any

import fsspec
import pyarrow as pa

from hundredfold.chassis.errors import Conflict, InvalidArgument, ServiceError
from hundredfold.labels.domain.names import folder_names, safe_name
from hundredfold.labels.formats.base import JOINT, Content, Counted, Place

UNLABELLED = "_unlabelled"
_EXTENSIONS = {
    "JPEG": ".jpg",
    "PNG": ".png",
    "GIF": ".gif",
    "WEBP": ".webp",
    "BMP": ".bmp",
    "TIFF": ".tif",
}
_BATCH = 256


class ImageNet:
    """A folder a class; an image of several classes is in each of their folders. File names begin with the row, so that no two are the same."""

    suffix = ""

    def write(self, place: Place, content: Content) -> Counted:
        """See Format. An original that can't be read ends it: an export is whole or not there."""
        system, target = fsspec.core.url_to_fs(place.uri)
        if system.exists(target) and system.ls(target, detail=False):
            raise InvalidArgument("the destination is not empty", field="destination")
        partial = f"{posixpath.dirname(target)}/.{posixpath.basename(target)}.partial"
        if system.exists(partial):  # of a killed run
            system.rm(partial, recursive=True)
        written = Counted()
        try:
            for name, data in _files(content):
                system.makedirs(posixpath.dirname(f"{partial}/{name}"), exist_ok=True)
                system.pipe_file(f"{partial}/{name}", data)
                written += _counted(name, len(data))
            _move(system, partial, target)
        except BaseException:
            if system.exists(partial):
                system.rm(partial, recursive=True)
            raise
        return written

    def recount(self, place: Place) -> Counted:
        """See Format."""
        system, target = fsspec.core.url_to_fs(place.uri)
        found = Counted()
        for path, facts in system.find(target, detail=True).items():
            name = posixpath.relpath(path, target)
            found += _counted(name, facts["size"])
        return found


def _move(system: Any, partial: str, target: str) -> None:
    system.makedirs(partial, exist_ok=True)  # nothing to export is an empty folder
    if system.exists(target):
        system.rmdir(target)
    system.mv(partial, target, recursive=True)


def _files(content: Content) -> Iterator[tuple[str, bytes]]:
    """Path below the destination, and bytes, of each image."""
    folders = folder_names(content.names)
    for table in content.tables:
        for begin in range(0, table.num_rows, _BATCH):
            yield from _batch(table.slice(begin, _BATCH), folders, content)


def _batch(
    table: pa.Table, folders: dict[int, str], content: Content
) -> Iterator[tuple[str, bytes]]:
    images = table.to_pylist()
    originals = content.read([each["uri"] for each in images])
    for image, original in zip(images, originals, strict=True):
        if isinstance(original, ServiceError):
            raise Conflict(
                f"the original of {image['key']!r} can't be read: {original.message}",
                reason="ORIGINAL_AWAY",
                metadata={"row": str(image["row"])},
            )
        for class_id in _classes(image):
            folder = folders[class_id] if class_id else UNLABELLED
            yield f"{folder}/{_file_name(image)}", original


def _classes(image: dict[str, Any]) -> list[int]:
    """The classes of an image: one, 0 for none, or as many as it has."""
    if "class_ids" not in image:
        return [image["class_id"]]
    return [int(each) for each in image["class_ids"].split(JOINT) if each] or [0]


def _file_name(image: dict[str, Any]) -> str:
    stem = posixpath.splitext(posixpath.basename(image["key"]))[0]
    return f"{image['row']:09d}_{safe_name(stem)}{_EXTENSIONS.get(image['format'], '')}"


def _counted(name: str, size: int) -> Counted:
    labelled = not name.startswith(f"{UNLABELLED}/")
    return Counted(1, int(labelled), zlib.crc32(name.encode()) + size)
