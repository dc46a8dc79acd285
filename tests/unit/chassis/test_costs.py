"""What a person's actions cost."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hundredfold.chassis.costs import CostModel
from hundredfold.chassis.errors import InvalidArgument, NotFound

MASKS = st.lists(st.booleans(), min_size=1, max_size=48).map(np.array)


def test_the_default_is_the_packaged_page_model() -> None:
    assert CostModel.load() == CostModel()


@pytest.mark.parametrize("name", ["page", "page-no-drag", "keystroke"])
def test_every_packaged_model_can_be_read(name: str) -> None:
    assert CostModel.load(name).single_seconds > 0


def test_a_model_that_leaves_out_the_drag_has_none() -> None:
    assert CostModel.load("keystroke").drag_seconds is None


def test_a_clean_page_costs_a_look() -> None:
    assert CostModel().confirm(np.zeros(48, bool)) == 4.0


def test_a_lone_odd_image_costs_a_click_and_a_run_one_drag() -> None:
    odd = np.array([0, 1, 0, 1, 1, 1, 0, 0, 0, 0], bool)
    assert CostModel().pick(odd) == 2.5
    assert CostModel.load("page-no-drag").pick(odd) == 4.0


def test_where_most_are_odd_the_others_are_picked() -> None:
    assert CostModel().confirm(np.array([True] * 9 + [False])) == 1 + 10 / 16 + 1


@given(MASKS)
def test_a_drag_never_costs_more_than_the_clicks_it_saves(mask: np.ndarray) -> None:
    assert CostModel().pick(mask) <= CostModel.load("page-no-drag").pick(mask) == mask.sum()


@given(st.integers(1, 96), st.floats(0, 1))
def test_expected_seconds_lie_between_a_look_and_every_click(images: int, share: float) -> None:
    costs = CostModel()
    expected = costs.expected_confirm(images, images * share)
    assert costs.look(images) <= expected <= costs.look(images) + images / 2 + 1e-9


def test_expected_picks_are_near_the_mean_of_random_pages() -> None:
    random = np.random.default_rng(0)
    for share in (0.05, 0.2, 0.5):
        seconds = [CostModel().pick(random.random(48) < share) for _ in range(2000)]
        expected = CostModel().expected_pick(48, 48 * share)
        assert expected == pytest.approx(np.mean(seconds), rel=0.15)


def test_a_file_of_ones_own_is_read(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("[page]\nclick_seconds = 0.5\n")
    model = CostModel.load(path=file)
    assert (model.click_seconds, model.drag_seconds, model.single_seconds) == (0.5, None, 3.0)


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("[page]\nclick_seconds = -1", "click_seconds"),
        ("[page]\nclick_seconds = nan", "click_seconds"),
        ("[page]\nclick_seconds = true", "click_seconds"),
        ("[page]\nclick_seconds = 'x'", "click_seconds"),
        ("[page]\njump_seconds = 1", "jump_seconds"),
        ("[page", "path"),
    ],
)
def test_a_wrong_value_is_named(tmp_path: Path, text: str, field: str) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(text)
    with pytest.raises(InvalidArgument) as caught:
        CostModel.load(path=file)
    assert caught.value.field == field


def test_a_model_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        CostModel.load("nobody")
    with pytest.raises(NotFound):
        CostModel.load(path=tmp_path / "absent.toml")
