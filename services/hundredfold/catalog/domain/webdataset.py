"""WebDataset: tar files in which the files of one sample lie side by side and share a name.

The format: https://github.com/webdataset/webdataset. `a/b.cls` and `a/b.jpg` are one sample, `a/b`.
"""

import itertools
import json
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO

from hundredfold.catalog.domain.folders import is_image_name
from hundredfold.catalog.domain.found import Found
from hundredfold.catalog.domain.tables import LABEL_NAMES, TAGS_NAMES, tags_of, text_of
from hundredfold.chassis.errors import InvalidArgument

MAX_SHARDS = 100_000
MAX_SIBLING = 64 << 10
_BRACES = re.compile(r"\{([^{}]*)\}")
_RANGE = re.compile(r"(\d{1,12})\.\.(\d{1,12})")


def expand(pattern: str) -> Iterator[str]:
    """The names a pattern stands for: `{000..009}` counts, `{a,b}` lists; other names stand for themselves.

    Raises:
        InvalidArgument: there would be more than MAX_SHARDS.
    """
    texts = _BRACES.split(pattern)
    # Every second text is the inside of braces.
    choices = [_choices(text) if odd % 2 else [text] for odd, text in enumerate(texts)]
    count = 1
    for choice in choices:
        count *= len(choice)
    if count > MAX_SHARDS:
        raise InvalidArgument(f"the braces stand for more than {MAX_SHARDS} files", field="source")
    return ("".join(parts) for parts in itertools.product(*choices))


def _choices(inside: str) -> list[str]:
    bounds = _RANGE.fullmatch(inside)
    if bounds is None:
        return inside.split(",")
    first, last = int(bounds[1]), int(bounds[2])
    if last - first >= MAX_SHARDS:
        raise InvalidArgument(f"the braces stand for more than {MAX_SHARDS} files", field="source")
    width = len(bounds[1])
    return [f"{number:0{width}d}" for number in range(first, last + 1)]


@dataclass
class _Sample:
    name: str
    images: list[tuple[str, int, int]] = field(default_factory=list)
    label: str | None = None
    tags: tuple[str, ...] = ()

    def found(self, tar: str) -> Iterator[Found]:
        for key, offset, size in self.images:
            yield Found(f"{tar}#{offset}:{size}", key, self.label, self.tags)


@dataclass
class Tar:
    """The images of one tar file, not compressed.

    Attributes:
        file: the open file; it must seek.
        uri: where it is.
        passed_over: members that are neither images nor tell about one.
    """

    file: IO[bytes]
    uri: str
    passed_over: int = 0

    def __iter__(self) -> Iterator[Found]:
        """The images in the order of the file.

        Raises:
            tarfile.TarError: the rest of the file can't be read.
        """
        sample = _Sample("")
        with tarfile.open(fileobj=self.file, mode="r:") as tar:
            while member := tar.next():
                # tarfile would remember every member, and a shard may have millions.
                tar.members.clear()  # type: ignore[attr-defined]
                if not member.isreg() or member.issparse():
                    continue
                name = _sample_name(member.name)
                if name != sample.name:
                    yield from sample.found(self.uri)
                    sample = _Sample(name)
                self._take(sample, member, tar)
            yield from sample.found(self.uri)

    def _take(self, sample: _Sample, member: tarfile.TarInfo, tar: tarfile.TarFile) -> None:
        if is_image_name(member.name):
            sample.images.append((member.name, member.offset_data, member.size))
            return
        suffix = member.name.rpartition(".")[2].lower()
        if suffix not in ("cls", "txt", "json") or member.size > MAX_SIBLING:
            self.passed_over += 1
            return
        reader = tar.extractfile(member)
        if reader is not None:
            _read_sibling(sample, suffix, reader.read().decode("utf-8", "replace"))


def _sample_name(member: str) -> str:
    folder, slash, name = member.rpartition("/")
    return folder + slash + name.partition(".")[0]


def _read_sibling(sample: _Sample, suffix: str, text: str) -> None:
    if suffix == "cls":
        sample.label = text_of(text)
    elif suffix == "txt":
        sample.tags = sample.tags or tags_of(text)
    else:
        _read_json(sample, text)


def _read_json(sample: _Sample, text: str) -> None:
    try:
        record = json.loads(text)
    except (ValueError, RecursionError):
        return
    if isinstance(record, dict):
        labels = (text_of(record.get(name)) for name in LABEL_NAMES)
        sample.label = sample.label or next((label for label in labels if label), None)
        sample.tags = tags_of(record.get(TAGS_NAMES[0])) or sample.tags
