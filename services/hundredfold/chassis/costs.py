"""What a person's actions cost, in seconds: the one model that plans the work and that measures it.

The packaged `costs.toml` holds the models `page` (the default), `page-no-drag` and `keystroke`, with
where each number comes from. A file of one's own has the same form.
"""

import math
import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hundredfold.chassis.errors import InvalidArgument, NotFound

PACKAGED = Path(__file__).with_name("costs.toml")
_MOST_SECONDS = 3600.0


@dataclass(frozen=True)
class CostModel:
    """Seconds of each action.

    Attributes:
        page_look_seconds: to take in a page, whatever is on it.
        thumbnail_seconds: to look at one image of a page.
        naming_seconds: to say what a page shows that nobody named yet.
        click_seconds: to pick out one image.
        drag_seconds: to pick out a run of two or more images that stand together; None = no drag.
        single_seconds: to label one image that is shown alone.
        compare_seconds: to see whether two images that look alike are the same picture.
    """

    page_look_seconds: float = 1.0
    thumbnail_seconds: float = 0.0625
    naming_seconds: float = 2.0
    click_seconds: float = 1.0
    drag_seconds: float | None = 1.5
    single_seconds: float = 3.0
    compare_seconds: float = 1.5

    def __post_init__(self) -> None:
        for each in fields(self):
            _check(each.name, getattr(self, each.name))

    @classmethod
    def load(cls, name: str = "page", path: Path | None = None) -> "CostModel":
        """A model by its name, from a file of one's own or the packaged one.

        Raises:
            NotFound: there is no such file, or no such model in it.
            InvalidArgument: the file is not TOML, or a value is wrong; `field` names it.
        """
        table = _read(path or PACKAGED).get(name)
        if not isinstance(table, dict):
            raise NotFound(f"there is no cost model {name} in {path or PACKAGED.name}")
        known = {each.name for each in fields(cls)}
        if unknown := sorted(set(table) - known):
            raise InvalidArgument(f"{unknown[0]} is no action", field=unknown[0])
        # A file says that there is no drag by leaving it out.
        return cls(**{"drag_seconds": None, **table})

    def look(self, images: float) -> float:
        """Seconds to look at a page of some images."""
        return self.page_look_seconds + images * self.thumbnail_seconds

    def pick(self, picked: NDArray[np.bool_]) -> float:
        """Seconds to pick images out of a page.

        Args:
            picked: bool [n], in the order in which the images stand.
        """
        edges = np.flatnonzero(np.diff(np.concatenate([[0], picked.astype(np.int8), [0]])))
        runs = edges[1::2] - edges[::2]
        clicks = runs * self.click_seconds
        drag = math.inf if self.drag_seconds is None else self.drag_seconds
        return float(np.where(runs > 1, np.minimum(clicks, drag), clicks).sum())

    def confirm(self, odd: NDArray[np.bool_]) -> float:
        """Seconds to confirm a page and kick its odd images; where most are odd, the others are picked.

        Args:
            odd: bool [n], in the order in which the images stand.
        """
        return self.look(len(odd)) + self.pick(odd if odd.sum() <= len(odd) / 2 else ~odd)

    def expected_pick(self, images: float, picked: float) -> float:
        """Expected seconds to pick out so many images that stand at random places of a page.

        With a share q picked there are about n q (1 - q) runs, of which a share q is longer than one.
        """
        share = min(1.0, picked / images) if images else 0.0
        drag = math.inf if self.drag_seconds is None else self.drag_seconds
        # A run that is longer than one has 1 + 1 / (1 - q) images on average.
        longer = min(drag, (1 + 1 / max(1 - share, 1e-9)) * self.click_seconds)
        return images * share * (1 - share) * ((1 - share) * self.click_seconds + share * longer)

    def expected_confirm(self, images: float, odd: float) -> float:
        """Expected seconds to confirm a page of which so many images are odd."""
        return self.look(images) + self.expected_pick(images, min(odd, images - odd))

    def expected_confirms(
        self, images: NDArray[np.int64], odd: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """`expected_confirm` of many pages at once: float64 [n]."""
        share = np.clip(np.minimum(odd, images - odd) / np.maximum(images, 1), 0, 1)
        drag = math.inf if self.drag_seconds is None else self.drag_seconds
        longer = np.minimum(drag, (1 + 1 / np.maximum(1 - share, 1e-9)) * self.click_seconds)
        click = (1 - share) * self.click_seconds + share * longer
        return np.asarray(
            self.look(0) + images * self.thumbnail_seconds + images * share * (1 - share) * click
        )


def _check(name: str, seconds: Any) -> None:
    if name == "drag_seconds" and seconds is None:
        return
    number = isinstance(seconds, (int, float)) and not isinstance(seconds, bool)
    if not number or not 0 <= seconds <= _MOST_SECONDS:
        raise InvalidArgument(f"{name} must be 0 to {_MOST_SECONDS:.0f} seconds", field=name)


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise NotFound(f"there is no file {path.name}") from None
    except (ValueError, OSError) as error:
        raise InvalidArgument(f"{path.name} can't be read: {error}", field="path") from error
