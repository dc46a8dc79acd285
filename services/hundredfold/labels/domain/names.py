"""Names that are safe as names of files and folders everywhere."""

import re
from collections import Counter
from collections.abc import Mapping

_UNSAFE = re.compile(r'[\x00-\x1f\x7f-\x9f<>:"/\\|?*]')
# Names of devices, which Windows takes whatever the extension.
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
_NUMBERED = re.compile(r"\.\d+$")
MOST_BYTES = 100


def safe_name(name: str) -> str:
    """The name without what a file system may stumble over; never empty, `.`, `..` or hidden."""
    clean = _UNSAFE.sub("_", name).encode("utf-8", "replace")[:MOST_BYTES]
    clean_text = clean.decode("utf-8", "ignore").strip(" .")
    if not clean_text or clean_text.startswith(("_", "-")) or _RESERVED.fullmatch(clean_text):
        return f"x{clean_text}"
    return clean_text


def folder_names(names: Mapping[int, str]) -> dict[int, str]:
    """Class -> a folder of its own.

    Names that differ only in case or in what was unsafe get their id added; so does a name that looks
    as if it had, or the two could meet.
    """
    safe = {class_id: safe_name(name) for class_id, name in names.items()}
    times = Counter(name.casefold() for name in safe.values())
    return {
        class_id: f"{name}.{class_id}"
        if times[name.casefold()] > 1 or _NUMBERED.search(name)
        else name
        for class_id, name in safe.items()
    }
