"""Train: real networks, real files, processes that are killed."""

import math
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from hundredfold.chassis.backbones.preprocessing import model_input
from hundredfold.chassis.backbones.repository import ModelRepository
from hundredfold.chassis.errors import (
    Aborted,
    Conflict,
    InvalidArgument,
    NotFound,
    ServiceError,
    Unavailable,
)
from hundredfold.chassis.imaging import upright_rgb
from hundredfold.chassis.runs import State
from hundredfold.chassis.storage.manifest import Manifest
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.chassis.testing import wait_for
from hundredfold.embedding.backends.onnx import OnnxBackend
from hundredfold.training import finetune_job
from tests.contract.finetune_fixtures import (
    COLLECTION,
    LITE0,
    ROWS,
    TINY,
    TRUTH,
    Bench,
    arguments,
    bench_in,
    shirt,
    to_learn_from,
)

TUNED = f"efficientnet-lite0-{COLLECTION}"
LONG = replace(TINY, least_steps=40, second_stage=0)

pytestmark = pytest.mark.timeout(240)


@pytest.fixture
def bench(tmp_path: Path, lite0_store: ArtifactStore) -> Iterator[Bench]:
    with bench_in(tmp_path, lite0_store) as bench:
        yield bench


def vectors_of(bench: Bench, model: str) -> np.ndarray:
    """The vectors of all images as the embedding service would make them, float32 [n, d]."""
    repository = ModelRepository(bench.store)
    card = repository.card(model)
    images = np.stack(
        [model_input(np.asarray(upright_rgb(shirt(row))), card.input_pixels) for row in ROWS]
    )
    backend = OnnxBackend(repository, threads=1)
    parts = [backend.embed(card, images[i : i + 8], seconds=math.inf) for i in range(0, 80, 8)]
    return np.concatenate(parts)


def separation(vectors: np.ndarray) -> float:
    """Mean cosine to images of one's own class less that to others."""
    cosines, same = vectors @ vectors.T, TRUTH[:, None] == TRUTH[None]
    return float(cosines[same].mean() - cosines[~same].mean())


def test_a_training_publishes_a_better_backbone_and_the_next_begins_from_it(bench: Bench) -> None:
    free = to_learn_from()
    bench.label(free[:40])
    bench.label(ROWS[np.isin(ROWS, free, invert=True)])  # held out: to measure with
    bench.label(free[40:44], origin=127)  # by a model: no truth
    bench.ledger.say(negatives=[(int(free[50]), 5), (int(free[50]), 777), (10**9, 5)])
    (bench.root / "images" / f"{free[0]}.png").write_bytes(b"no image")
    (bench.root / "images" / f"{free[60]}.png").unlink()
    with bench.service() as service:
        run = service.ended(service.start())
        assert run.state is State.SUCCEEDED, run.error
        made = run.result
        assert (made["model"], made["labels"], made["skipped"]) == (f"{TUNED}@1", 39, 1)
        assert (made["steps"], run.done, run.total, run.unit) == (32, 32, 32, "steps")
        assert 0 < made["unlabelled"] <= len(free) - 45
        assert made["seconds"] > 0
        assert math.isfinite(made["loss"])
        card = ModelRepository(bench.store).card(f"{TUNED}@1")
        assert (card.input_pixels, card.dimensions, card.classes) == (32, 1280, 3)
        assert (card.recipe, card.licence) == ("efficientnet-lite0", "Apache-2.0")
        assert card.tuned is not None
        assert (card.tuned.parent, card.tuned.collection) == (LITE0, COLLECTION)
        assert (card.tuned.labels, card.tuned.labels_seq) == (39, bench.ledger.seq)
        assert Manifest.load(bench.store, f"models/{TUNED}/1").verify(bench.store) == []
        assert "logits" not in bench.store.read_bytes(f"models/{TUNED}/config.pbtxt").decode()
        assert sorted(path.name for path in bench.folder().iterdir()) == [
            "result.json",
            "task.json",
        ]
        again = service.ended(service.start(base=f"{TUNED}@1"))
        assert again.state is State.SUCCEEDED, again.error
        second = ModelRepository(bench.store).card(f"{TUNED}@2")
        assert second.tuned is not None
        assert second.tuned.parent == f"{TUNED}@1"
    first_separation = separation(vectors_of(bench, f"{TUNED}@1"))
    assert first_separation > separation(vectors_of(bench, LITE0))
    assert separation(vectors_of(bench, f"{TUNED}@2")) > first_separation


def test_a_killed_process_is_started_again_and_does_the_same_number_of_steps(bench: Bench) -> None:
    bench.label(to_learn_from()[:40])
    with bench.service(LONG) as service:
        run_id = service.start()
        wait_for(lambda: service.done(run_id) >= 5, 60)
        (trainer,) = bench.trainers()
        os.kill(trainer, signal.SIGKILL)
        wait_for(lambda: bench.trainers() not in ([trainer], []), 30)
        run = service.ended(run_id)
        assert run.state is State.SUCCEEDED, run.error
        assert run.result["steps"] == 40
    assert bench.models() == ["efficientnet-lite0", TUNED]


def test_a_killed_service_takes_its_process_with_it_and_the_next_one_goes_on(bench: Bench) -> None:
    bench.label(to_learn_from()[:40])
    command = [sys.executable, "-m", "tests.contract.finetune_fixtures", *arguments(bench, LONG)]
    environ = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen(command, env=environ) as killed:
        wait_for((bench.folder() / "checkpoint.pt").exists, 60)
        killed.kill()
    wait_for(lambda: not bench.trainers(), 30)
    bench.label(to_learn_from()[40:50])  # what comes later changes nothing
    with bench.service(LONG) as service:
        (run,) = service.runs.list()
        assert run.state is State.RUNNING
        service.runs.resume()
        # The record may tell a step of before the kill.
        wait_for(lambda: service.done(run.run_id) > run.done, 60)
        assert service.done(run.run_id) > 1  # not from its beginning
        ended = service.ended(run.run_id)
        assert ended.state is State.SUCCEEDED, ended.error
        assert (ended.result["steps"], ended.result["labels"]) == (40, 40)


def test_a_cancelled_training_publishes_nothing_and_goes_on_when_it_is_asked_for_again(
    bench: Bench,
) -> None:
    bench.label(to_learn_from()[:40])
    with bench.service(LONG) as service:
        run_id = service.start()
        wait_for(lambda: service.done(run_id) >= 10, 60)
        with pytest.raises(Aborted):
            service.start(seed=8)
        service.runs.cancel(run_id)
        assert service.ended(run_id).state is State.CANCELLED
        wait_for(lambda: not bench.trainers())
        assert bench.models() == ["efficientnet-lite0"]
        again = service.start()
        assert again != run_id
        wait_for(lambda: service.done(again) > 0, 60)
        assert service.done(again) >= 5  # from its last checkpoint, which is a little older
        service.runs.cancel(again)
        service.ended(again)


@pytest.mark.parametrize("rate", [1e30, 1e3], ids=["not finite", "nothing learnt"])
def test_a_training_that_diverges_fails_and_publishes_nothing(bench: Bench, rate: float) -> None:
    bench.label(to_learn_from()[:40])
    wild = replace(TINY, linear_rate=rate, backbone_rate=rate, second_stage=0, least_steps=4)
    with bench.service(wild) as service:
        run = service.ended(service.start())
    assert run.state is State.FAILED
    assert "nothing is published" in run.error
    assert bench.models() == ["efficientnet-lite0"]
    assert not bench.folder().exists()


def test_images_that_are_all_gone_are_too_few_labels(bench: Bench) -> None:
    bench.label(to_learn_from()[:10])
    shutil.rmtree(bench.root / "images")
    with bench.service() as service:
        run = service.ended(service.start())
    assert run.state is State.FAILED
    assert "can be read" in run.error


@pytest.mark.parametrize(
    ("fields", "error", "field"),
    [
        ({"collection": "absent"}, NotFound, "collection"),
        ({"collection": "No Name"}, InvalidArgument, "collection"),
        ({"space": "absent@1"}, NotFound, "space"),
        ({"space": ""}, InvalidArgument, "space"),
        ({"base": "absent@1"}, NotFound, "base"),
        ({"base": "../up@1"}, InvalidArgument, "base"),
        ({"seconds": 9}, InvalidArgument, "seconds"),
        ({"seconds": -1}, InvalidArgument, "seconds"),
        ({"seconds": 86_401}, InvalidArgument, "seconds"),
        ({"request_id": ""}, InvalidArgument, "request_id"),
    ],
)
def test_a_wrong_request_is_refused(
    bench: Bench, fields: dict[str, str | int], error: type[ServiceError], field: str
) -> None:
    bench.label(to_learn_from()[:10])
    with bench.service() as service, pytest.raises(error) as refused:
        service.start(**fields)
    assert refused.value.field == field


def test_labels_that_teach_nothing_are_too_few(bench: Bench) -> None:
    free = to_learn_from()
    one_class = free[TRUTH[free] == 5]
    with bench.service() as service:
        for rows in (free[:0], one_class, free[TRUTH[free] == 9][:1]):
            bench.label(rows)
            with pytest.raises(Conflict) as refused:
                service.start()
            assert refused.value.reason == "TOO_FEW_LABELS"


def test_a_ledger_that_is_away_is_told(bench: Bench) -> None:
    bench.ledger.away = True
    with bench.service() as service, pytest.raises(Unavailable):
        service.start()


def test_without_the_extra_it_is_told_what_to_install(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.label(to_learn_from()[:10])
    monkeypatch.setattr(finetune_job, "_NEEDED", ("json", "no_such_module"))
    assert find_spec("no_such_module") is None
    with bench.service() as service, pytest.raises(Conflict) as refused:
        service.start()
    assert refused.value.reason == "NO_TORCH"
    assert "hundredfold[finetune]" in refused.value.message
