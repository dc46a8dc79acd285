"""Collections, their images, and what these may be."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Collection:
    """A named set of images; `failed` of its `images` could not be decoded."""

    name: str
    images: int
    failed: int
    created_at: float


@dataclass(frozen=True)
class Image:
    """One image of a collection; `error` is empty when it can be used."""

    row: int
    uri: str
    key: str
    sha256: str
    width: int
    height: int
    format: str
    error: str
    source_label: str
    tags: tuple[str, ...]


@dataclass(frozen=True)
class LabelClass:
    """One class of a schema. `merged_into` is 0 while the class is in use; `examples` are rows that show it."""

    name: str
    class_id: int = 0
    key: str = ""
    color: str = ""
    parent_id: int = 0
    merged_into: int = 0
    guideline: str = ""
    examples: tuple[int, ...] = ()


@dataclass(frozen=True)
class Schema:
    """The classes of a collection; `several` = an image may be of several of them."""

    version: int
    classes: tuple[LabelClass, ...]
    several: bool = False

    @property
    def in_use(self) -> tuple[LabelClass, ...]:
        """Those that are not merged into another."""
        return tuple(each for each in self.classes if not each.merged_into)

    def by_name(self) -> dict[str, int]:
        """The id of each class in use."""
        return {each.name: each.class_id for each in self.in_use}
