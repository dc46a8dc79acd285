"""Names of artifacts, and what a name tells."""

import pytest

from hundredfold.chassis.errors import InvalidArgument
from hundredfold.chassis.storage import layout


def test_a_model_is_a_name_and_a_number():
    assert layout.name_and_version("efficientnet-lite0@12") == ("efficientnet-lite0", 12)


@pytest.mark.parametrize("model", ["", "net", "net@", "net@0", "net@x", "a/b@1", "net@1@2"])
def test_anything_else_is_no_model(model):
    with pytest.raises(InvalidArgument) as refused:
        layout.name_and_version(model, "space")
    assert refused.value.field == "space"


def test_parts_are_told_by_the_names_of_one_kind_of_artifact():
    names = [
        layout.vectors_part(100_000),
        layout.vectors_part(7),
        layout.vectors_rows(7),
        layout.vectors_rows(3),
        layout.predictions_part(5),
        "part-1.npy",
        "part-000002.npy",
        "manifest.json",
    ]
    assert layout.part_numbers(names, layout.vectors_part) == [7, 100_000]
    assert layout.part_numbers(names, layout.vectors_rows) == [3, 7]
    assert layout.part_numbers(names, layout.predictions_part) == [5]
    assert layout.part_numbers([], layout.vectors_part) == []
