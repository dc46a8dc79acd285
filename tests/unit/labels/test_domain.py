"""Small rules: names of folders, schemas, lines that mean images."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hundredfold.labels.domain.matching import Hint, Matcher
from hundredfold.labels.domain.names import folder_names, safe_name
from hundredfold.labels.domain.schema import Schema


@given(st.text(max_size=200))
def test_a_safe_name_is_one_name_of_a_file(name: str) -> None:
    safe = safe_name(name)
    assert safe
    assert safe not in (".", "..")
    assert not set(safe) & set('/\\:*?"<>|\0\n\r\t')
    assert not safe.startswith((".", "_", "-"))
    assert len(safe.encode()) <= 101


@given(st.dictionaries(st.integers(1, 9), st.sampled_from(["a", "A", "a.1", "A.2", "/", "", "?"])))
def test_no_two_classes_share_a_folder_whatever_the_file_system(names: dict[int, str]) -> None:
    folders = folder_names(names)
    assert folders.keys() == names.keys()
    assert len({folder.casefold() for folder in folders.values()}) == len(names)


def test_devices_of_other_systems_are_no_names() -> None:
    assert safe_name("CON") == "xCON"
    assert safe_name("lpt1.txt") == "xlpt1.txt"
    assert safe_name("owl") == "owl"


def test_merges_are_followed_to_their_end_even_in_a_circle() -> None:
    schema = Schema({1: "a", 2: "b", 3: "c"}, {1: 2, 2: 3})
    assert schema.resolve(np.array([1, 2, 3], np.int32)).tolist() == [3, 3, 3]
    assert schema.by_name() == {"a": 3, "b": 3, "c": 3}
    assert Schema({1: "a", 2: "b"}, {1: 2, 2: 1}).in_use(1) in (1, 2)


def test_a_name_in_use_means_its_own_class_also_when_a_merged_one_had_it() -> None:
    assert Schema({1: "owl", 2: "owl", 3: "tit"}, {1: 3}).by_name() == {"owl": 2, "tit": 3}


def image(row: int, key: str, uri: str = "") -> dict[str, object]:
    return {"row": row, "key": key, "uri": uri}


def matched(matcher: Matcher, *images: dict[str, object]) -> dict[int, int]:
    for each in images:
        matcher.see(each)
    return matcher.found()


def test_the_last_line_for_an_image_counts() -> None:
    matcher = Matcher("key", ["a", "a", "b"], [Hint()] * 3)
    assert matched(matcher, image(5, "a")) == {5: 1}
    assert matcher.strange() == 1


def test_lines_of_one_name_go_to_the_images_that_fit_best() -> None:
    hints = [Hint("x", 9), Hint("y", 0), Hint("", 7)]
    matcher = Matcher("key", ["a", "a", "a"], hints)
    found = matched(matcher, image(0, "a", "x"), image(1, "a", "y"), image(7, "a", "z"))
    assert found == {0: 0, 1: 1, 7: 2}


def test_a_line_that_fits_several_images_means_none() -> None:
    matcher = Matcher("key", ["a"], [Hint()])
    assert matched(matcher, image(0, "a"), image(1, "a")) == {}
    assert matcher.strange() == 1
