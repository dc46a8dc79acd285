"""One image of a collection, as it is kept."""

from dataclasses import dataclass

from hundredfold.catalog.domain.found import Found
from hundredfold.catalog.domain.probe import OK, Verdict


@dataclass(frozen=True, slots=True)
class ImageRow:
    """A row of an images part; the fields are its columns (`layout.images_part`)."""

    row: int
    uri: str
    key: str
    sha256: bytes | None
    width: int
    height: int
    format: str
    status: str
    error: str
    label: str | None
    tags: list[str]
    size: int | None

    @property
    def ok(self) -> bool:
        """Whether it can be used."""
        return self.status == OK


def image_row(row: int, found: Found, verdict: Verdict) -> ImageRow:
    """What a source said of an image and what was seen of it, as row number `row`."""
    return ImageRow(
        row=row,
        uri=found.uri,
        key=found.key,
        sha256=verdict.sha256 or None,
        width=verdict.width,
        height=verdict.height,
        format=verdict.format,
        status=verdict.status,
        error=verdict.error,
        label=found.label,
        tags=list(found.tags),
        size=verdict.size or None,
    )
