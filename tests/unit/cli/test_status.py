"""What `status` says of the proof and of what is left."""

from dataclasses import replace

import numpy as np
import pytest

from hundredfold.api.labels.v1 import labels_pb2
from hundredfold.api.selection.v1 import selection_pb2
from hundredfold.cli.status import _amounts, _certificate, _expected, _index, _target, left_of
from hundredfold.client import wire
from hundredfold.client.types import Index

LOOP = wire.loop(selection_pb2.Loop(confidence=0.95))
AUDIT = wire.audit(
    labels_pb2.Audit(look=2, sample=300, answered=120, errors=3, state=labels_pb2.AUDIT_STATE_OPEN)
)


def test_without_a_target_it_says_how_to_set_one() -> None:
    assert "hundredfold certify" in _certificate(LOOP, None)
    assert "hundredfold certify" in _certificate(None, None)
    assert _certificate(replace(LOOP, target_accuracy=0.95), None) == "none"


def test_an_audit_says_how_far_it_is_or_that_it_failed() -> None:
    assert _certificate(LOOP, AUDIT) == "audit 2: 120 of 300 answered, 3 wrong"
    failed = replace(AUDIT, state="FAILED", errors=40)
    assert _certificate(LOOP, failed) == "audit 2 failed: 40 of 300 wrong"


@pytest.mark.parametrize(
    ("proved", "words"), [(0.95999, "95.99%"), (float(np.float32(0.95)), "95.00%")]
)
def test_what_is_proved_is_not_rounded_up(proved: float, words: str) -> None:
    loop = replace(LOOP, proved_accuracy=proved)
    certified = replace(AUDIT, state="CERTIFIED", certificate_seq=77)
    assert _certificate(loop, certified) == f"at least {words} right, sure to 0.95, event 77"


def test_a_certificate_that_no_longer_covers_everything_is_still_told() -> None:
    certified = replace(AUDIT, state="CERTIFIED", certificate_seq=77, bound=0.0881)
    assert _certificate(LOOP, certified) == "event 77: at least 91.19% right as it was then"


def test_what_is_left_has_an_interval() -> None:
    forecast = wire.forecast(
        selection_pb2.ForecastResponse(seconds=600, seconds_low=480, seconds_high=900)
    )
    assert left_of(forecast) == "10 human minutes (8 to 15 in four of five cases)"
    assert left_of(None) == "-"


def test_what_is_expected_stands_beside_what_was_measured() -> None:
    loop = replace(LOOP, expected_accuracy=0.9, measured_accuracy=0.87, measured_images=40)
    assert _expected(loop) == "90.0% (expected; 87.0% measured on 40 random images)"
    assert _expected(LOOP) == "-"
    assert _expected(replace(loop, proved_accuracy=0.95)) == "at least 95.00% (proved)"


def test_the_target_is_that_of_the_loop() -> None:
    assert (_target(None), _target(LOOP), _target(replace(LOOP, target_accuracy=0.98))) == (
        0.95,
        0.95,
        0.98,
    )


def test_where_an_image_may_be_of_several_classes_pairs_are_told_beside_images() -> None:
    progress = wire.progress(
        labels_pb2.GetProgressResponse(total=30, labelled=12, images=10, images_labelled=2)
    )
    (_, to_label), (_, known) = _amounts(progress, several=True)
    assert "10 images" in to_label
    assert "30 pairs" in to_label
    assert known == "12 pairs; 2 images whole"
    assert _amounts(progress, several=False)[1] == ["labelled", "12"]


def test_an_index_tells_what_it_finds_and_what_is_wrong_with_it() -> None:
    index = Index(
        kind="ivf",
        codes="rabitq",
        factory="RR128,IVF2000,RaBitQ",
        vectors=1_000_000,
        dimensions=128,
        lists=2000,
        probes=16,
        depth=3,
        recall=0.9712,
        held_out=128,
        memory_bytes=41 << 20,
        file_bytes=34 << 20,
        current=True,
        removed=0,
        signed=False,
        damaged=(),
        engine="local",
    )
    found = "finds 97.1% of the true ten nearest (of 128 held-out images)"
    assert _index(index) == f"1,000,000 images, 41 MiB, rabitq; {found}"
    assert _index(replace(index, kind="flat", codes="flat")).endswith("flat; exact")
    assert "images, in Milvus, rabitq" in _index(replace(index, engine="milvus"))
    worse = replace(index, current=False, damaged=("part-00003.npy",))
    assert _index(worse).endswith(
        "; there are other vectors now; without the damaged part-00003.npy"
    )
