"""What a pipeline makes of a source's name, and of an earlier run."""

import pytest

from hundredfold.chassis.run_book import State
from hundredfold.client.pipeline import Options, named_after, options_of
from hundredfold.client.types import Run


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("/data/Photos 2024", "photos-2024"),
        ("/data/birds/images", "birds"),
        ("s3://bucket/Some_Birds/", "some_birds"),
        ("/data/photos.parquet", "photos"),
        ("/data/" + "x" * 100, "x" * 63),
        ("/", "images"),
    ],
)
def test_a_collection_is_named_after_its_source(source: str, name: str) -> None:
    assert named_after(source) == name


def test_an_earlier_ingest_says_how_to_go_on() -> None:
    asked = {"source": "/data/a.csv", "label_column": "kind", "tags_column": "", "limit": 0}
    run = Run(
        *("catalog", "1", "ingest", "a", State.FAILED, 0, 0, "images", "", "", asked, {}),
        *(0.0, 0.0, 0.0),
    )
    assert options_of(run) == ("/data/a.csv", Options({"label_column": "kind"}))
