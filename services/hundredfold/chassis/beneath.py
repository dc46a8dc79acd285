"""Opening a file of this machine that is truly below a folder, whatever the names in between become."""

import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from hundredfold.chassis.errors import InvalidArgument

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Without O_NONBLOCK the open of a FIFO would wait for its writer.
_FILE = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC


def open_beneath(root: Path, segments: Sequence[str]) -> BinaryIO:
    """Open a regular file for reading, following no symbolic link below `root`.

    Each segment is opened relative to the one before, so that a folder swapped for a link between a
    check and the open is refused, not followed.

    Args:
        root: a resolved folder.
        segments: the names from there to the file, resolved too.

    Raises:
        OSError: as open does; ELOOP or ENOTDIR where a segment is a symbolic link.
        InvalidArgument: it is a folder, FIFO, socket or device.
    """
    folder = os.open(root, _FOLDER)
    try:
        for segment in segments[:-1]:
            below = os.open(segment, _FOLDER, dir_fd=folder)
            os.close(folder)
            folder = below
        descriptor = os.open(segments[-1] if segments else ".", _FILE, dir_fd=folder)
    finally:
        os.close(folder)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise InvalidArgument("not a regular file", field="uri", reason="NOT_A_FILE")
    return os.fdopen(descriptor, "rb")
