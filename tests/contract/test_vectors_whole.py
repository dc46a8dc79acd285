"""What people bring, vectors or a dual encoder, is labelled and searched in like anything else."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from PIL import Image

from hundredfold.chassis.errors import InvalidArgument, NotFound
from hundredfold.chassis.testing import wait_for
from hundredfold.cli.__main__ import hundredfold
from hundredfold.client import pipeline
from hundredfold.client.types import Judgement, Verdict
from tests.contract.town import CLASSES, IMAGES, Town, town_at

SPACE, NAME = "theirs@1", "brought"


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with town_at(tmp_path_factory.mktemp("town")) as town:
        catalog = town.client.catalog
        catalog.runs.wait(catalog.ingest(NAME, str(town.images)).run_id)
        yield town


def command(*arguments: str) -> Any:
    answer = CliRunner().invoke(hundredfold, [*arguments, "--json"], catch_exceptions=False)
    assert answer.exit_code == 0, answer.output
    return json.loads(answer.stdout)


def write_vectors(town: Town) -> Path:
    """A table of the mean colours of 4 x 4 fields of each image, as somebody's own program would make it."""
    files = sorted(town.images.glob("*.png"))
    small = [np.asarray(Image.open(file).resize((4, 4), Image.Resampling.BOX)) for file in files]
    vectors = [(each.astype(np.float64) - 100).ravel() for each in small]
    table = pa.table({"embedding": [*vectors], "uri": [str(file.absolute()) for file in files]})
    pq.write_table(table, town.folder / "vectors.parquet")
    return town.folder / "vectors.parquet"


def test_images_are_clustered_and_labelled_on_vectors_from_elsewhere(town: Town) -> None:
    client, file = town.client, write_vectors(town)
    result = command("import-vectors", NAME, str(file), "--space", SPACE)
    assert (result["vectors"], result["dimensions"], result["without"]) == (IMAGES, 48, 0)
    client.index.runs.wait(client.index.build(NAME, SPACE).run_id)
    clustered = client.index.runs.wait(client.index.cluster(NAME, SPACE, clusters=6).run_id)
    assert clustered.state == "SUCCEEDED"
    client.selection.start(NAME, space=SPACE, expected_classes=3)
    wait_for(lambda: client.labels.progress(NAME).ready_pages, 30)
    (lease,) = client.labels.lease(NAME, "ann")
    assert lease.page.kind == "CLUSTER"
    ids = client.catalog.add_classes(NAME, CLASSES).by_name()
    for name in CLASSES[:2]:
        client.labels.submit(NAME, lease.token, [Judgement(ids[name], Verdict.IS, lease.page.rows)])
        (lease,) = wait_for(lambda: client.labels.lease(NAME, "ann"), 30)
    wait_for(lambda: client.selection.get(NAME).model, 30)
    assert client.selection.get(NAME).space == SPACE


def test_a_bootstrap_goes_on_with_vectors_that_were_imported(town: Town) -> None:
    client, name, source = town.client, "again", str(town.images)
    catalog = client.catalog
    catalog.runs.wait(catalog.ingest(name, source).run_id)
    options = pipeline.Options(columns={}, expected_classes=3, find_copies=False, space="absent@1")
    with pytest.raises(NotFound, match="no space absent@1"):
        pipeline.bootstrap(client, source, name, options)
    command("import-vectors", name, str(write_vectors(town)), "--space", SPACE)
    made = pipeline.bootstrap(client, source, name, replace(options, space=SPACE))
    assert [run.service for run in made.runs] == ["catalog", "index", "index"]
    assert made.loop.space == SPACE


def test_an_image_is_found_by_its_imported_vector_and_no_backbone_is_asked_for_it(
    town: Town,
) -> None:
    client = town.client
    vectors = np.array(pq.read_table(write_vectors(town))["embedding"].to_pylist(), np.float32)
    found = client.index.search(NAME, SPACE, vectors[[7]], limit=3)
    assert found.rows[0][0] == 7
    with pytest.raises(NotFound, match="theirs@1"):
        command("search", NAME, "--image", str(next(town.images.glob("*.png"))))
    np.save(town.folder / "short.npy", vectors[:, :12])
    with pytest.raises(InvalidArgument, match="has 48 dimensions"):
        command("import-vectors", NAME, str(town.folder / "short.npy"), "--space", SPACE)


def test_images_are_found_by_words(town: Town) -> None:
    pytest.importorskip("tokenizers")
    from hundredfold.embedding.export.__main__ import main  # noqa: PLC0415  needs the extra
    from tests.contract.onnx_files import bring_dual  # noqa: PLC0415

    file = bring_dual(town.folder / "dual")
    assert main([f"onnx:{file}", "--store", town.store.root, "--name", "dual"]) == 0
    client = town.client
    client.embedding.runs.wait(client.embedding.embed_collection(NAME, model="dual@1").run_id)
    client.index.runs.wait(client.index.build(NAME, "dual@1").run_id)
    found = command("search", NAME, "--text", "red red red red", "--space", "dual@1")
    assert len(found) == 12
    best = np.asarray(Image.open(found[0]["uri"])).reshape(-1, 3).mean(axis=0)
    assert best.argmax() == 0


def test_either_an_image_or_words_are_searched_for() -> None:
    for arguments in ([], ["--image", __file__, "--text", "red"]):
        answer = CliRunner().invoke(hundredfold, ["search", NAME, *arguments])
        assert answer.exit_code == 2
