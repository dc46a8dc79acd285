"""An ONNX file that an operator brings: what it becomes, and what is refused with which words."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hundredfold.chassis.backbones.repository import ModelRepository
from hundredfold.chassis.errors import Conflict
from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.embedding.backends.onnx import OnnxBackend
from hundredfold.embedding.export.__main__ import main

onnx = pytest.importorskip("onnx")

from tests.contract.onnx_files import (  # noqa: E402  after the check for onnx
    DESCRIPTION,
    DEVIATION,
    DIMENSIONS,
    MEAN,
    PIXELS,
    bring,
    bring_dual,
    image_model,
    weights,
)

FLOAT, UINT8 = onnx.TensorProto.FLOAT, onnx.TensorProto.UINT8


@pytest.fixture
def add(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """Run the command on a file: its exit code and what it said."""

    def run(file: Path, *arguments: str) -> tuple[int, str]:
        store = str(tmp_path / "store")
        code = main([f"onnx:{file}", "--store", store, "--name", "mine", *arguments])
        said = capsys.readouterr()
        return code, said.out + said.err

    return run


def repository(tmp_path: Path) -> ModelRepository:
    return ModelRepository(ArtifactStore(str(tmp_path / "store")))


def images() -> Any:
    return np.random.default_rng(1).integers(0, 256, (3, PIXELS, PIXELS, 3), dtype=np.uint8)


def embedded(tmp_path: Path, model: str = "mine@1") -> Any:
    models = repository(tmp_path)
    return OnnxBackend(models, 1).embed(models.card(model), images(), seconds=math.inf)


@pytest.mark.parametrize("turned", ["RGB", "BGR"])
@pytest.mark.parametrize("axes", ["NCHW", "NHWC"])
def test_pixels_are_normalised_and_turned_in_the_graph_as_the_file_wants_them(
    add: Any, tmp_path: Path, axes: str, turned: str
) -> None:
    seen = {"mean": MEAN, "deviation": DEVIATION, "layout": axes, "channels": turned}
    file = bring(tmp_path / "in", image_model(layout=axes), preprocessing=seen)
    code, said = add(file)
    assert code == 0, said
    pixels = images()[..., ::-1] if turned == "BGR" else images()
    expected = ((pixels - MEAN) / DEVIATION).mean(axis=(1, 2)) @ weights()
    np.testing.assert_allclose(embedded(tmp_path), expected, rtol=1e-3, atol=1e-3)


def test_a_graph_of_uint8_normalises_itself(add: Any, tmp_path: Path) -> None:
    model = image_model(layout="NHWC", kind=UINT8)
    code, said = add(bring(tmp_path / "in", model, preprocessing={"layout": "NHWC"}))
    assert code == 0, said
    expected = images().mean(axis=(1, 2)) @ weights()
    np.testing.assert_allclose(embedded(tmp_path), expected, rtol=1e-3)


def test_the_card_tells_source_licence_and_preprocessing(add: Any, tmp_path: Path) -> None:
    file = bring(tmp_path / "in", image_model())
    assert add(file, "--version", "4")[0] == 0
    card = repository(tmp_path).card("mine@4")
    assert (card.dimensions, card.input_pixels, card.classes) == (DIMENSIONS, PIXELS, 0)
    assert card.licence == "CC0-1.0"
    assert card.source.startswith("made for a test; tiny.onnx of sha256 ")
    assert card.preprocessing is not None
    assert list(card.preprocessing.mean) == MEAN
    config = (tmp_path / "store" / layout.model_config("mine")).read_text("utf-8")
    assert "logits" not in config


def test_a_version_that_is_there_stays_as_it_is(add: Any, tmp_path: Path) -> None:
    assert add(bring(tmp_path / "in", image_model()))[0] == 0
    before = repository(tmp_path).card("mine@1")
    other = bring(tmp_path / "other", image_model(matrix=weights(seed=5)), source="another")
    code, said = add(other)
    assert code == 1
    assert "mine@1 is there already" in said
    assert repository(tmp_path).card("mine@1") == before
    assert add(tmp_path / "in" / "tiny.onnx")[0] == 0


def test_a_version_of_another_shape_is_refused_with_both_named(add: Any, tmp_path: Path) -> None:
    assert add(bring(tmp_path / "in", image_model()))[0] == 0
    longer = weights(3).repeat(2, axis=1)
    model = image_model(matrix=longer)
    del model.graph.output[0].type.tensor_type.shape.dim[1]
    model.graph.output[0].type.tensor_type.shape.dim.add().dim_value = 2 * DIMENSIONS
    code, said = add(bring(tmp_path / "other", model), "--version", "2")
    assert code == 1
    assert "mine@1" in said
    assert "mine@2" in said


def test_weights_in_files_beside_it_are_taken_along(add: Any, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    file = bring(folder, image_model())
    large = onnx.load(file)
    onnx.save(large, file, save_as_external_data=True, location="weights.bin", size_threshold=0)
    assert (folder / "weights.bin").exists()
    code, said = add(file)
    assert code == 0, said
    (folder / "weights.bin").unlink()
    assert np.isfinite(embedded(tmp_path)).all()


@pytest.mark.parametrize("place", ["../weights.bin", "/etc/hostname", "link.bin", "absent.bin"])
def test_weights_elsewhere_are_refused(add: Any, tmp_path: Path, place: str) -> None:
    folder = tmp_path / "in"
    file = bring(folder, image_model())
    onnx.save(onnx.load(file), file, save_as_external_data=True, location="w.bin", size_threshold=0)
    (folder / "w.bin").rename(tmp_path / "weights.bin")
    (folder / "link.bin").symlink_to(tmp_path / "weights.bin")
    model = onnx.load(file, load_external_data=False)
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = place
    file.write_bytes(model.SerializeToString())
    code, said = add(file)
    assert code == 1
    assert "not in the model's folder" in said


def broken(**fields: Any) -> dict[str, Any]:
    return {"preprocessing": DESCRIPTION["preprocessing"] | fields}


@pytest.mark.parametrize(
    ("model", "fields", "words"),
    [
        (image_model(), {"input_pixels": 64}, "[0, 3, 32, 32], model.json says [0, 3, 64, 64]"),
        (image_model(), broken(layout="NHWC"), "model.json says [0, 32, 32, 3]"),
        (image_model(batch=1), {}, "takes 1 images at once"),
        (image_model(kind=onnx.TensorProto.INT32), {}, "is of int32, not uint8 or float32"),
        (image_model(kind=UINT8), {}, "normalises itself"),
        (image_model(), {"output": "vectors"}, "no output 'vectors'; it has embedding"),
        (image_model(matrix=weights() * np.nan), {}, "not finite"),
        (image_model(matrix=weights() * 0), {}, "off"),
        (image_model(), broken(deviation=[1e9, 1e9, 1e9], mean=[1e9, 1e9, 1e9]), "same vector"),
        (image_model(), broken(mean=[0.5, 0.5, 0.5], deviation=[0.2, 0.2, 0.2]), "times 255"),
        (image_model(), broken(deviation=[0, 1, 1]), "preprocessing.deviation"),
        (image_model(), broken(mean=[1, 2]), "preprocessing.mean"),
        (image_model(), broken(mean=[1, 2, "3"]), "preprocessing.mean"),
        (image_model(), broken(channels="GBR"), "'GBR' is not RGB or BGR"),
        (image_model(), broken(crop=0.9), "preprocessing.crop: there is no such field"),
        (image_model(), {"input_pixels": 0}, "input_pixels"),
        (image_model(), {"input_pixels": True}, "input_pixels"),
        (image_model(), {"licence": None}, "licence: is missing"),
        (image_model(), {"pixels": 224}, "pixels: there is no such field"),
        (image_model(), {"text": {"graph": "text.onnx"}}, "text.tokenizer: is missing"),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_is_published(
    add: Any, tmp_path: Path, model: Any, fields: dict[str, Any], words: str
) -> None:
    code, said = add(bring(tmp_path / "in", model, **fields))
    assert code == 1
    assert words in said
    assert repository(tmp_path).cards() == []


@pytest.mark.parametrize("data", [b"", b"no onnx", b"\x08\x09\x12\x04"])
def test_a_file_that_is_no_onnx_is_refused(add: Any, tmp_path: Path, data: bytes) -> None:
    file = bring(tmp_path / "in", image_model())
    file.write_bytes(data)
    code, said = add(file)
    assert code == 1
    assert "tiny.onnx" in said


def test_a_file_that_was_cut_off_is_refused(add: Any, tmp_path: Path) -> None:
    file = bring(tmp_path / "in", image_model())
    file.write_bytes(file.read_bytes()[:-9])
    assert add(file)[0] == 1
    assert repository(tmp_path).cards() == []


def test_a_file_without_a_description_is_told_what_is_missing(add: Any, tmp_path: Path) -> None:
    file = bring(tmp_path / "in", image_model())
    (tmp_path / "in" / "model.json").unlink()
    code, said = add(file)
    assert code == 1
    assert "model.json is not beside the model" in said


def test_what_was_brought_cannot_be_trained_on(add: Any, tmp_path: Path) -> None:
    assert add(bring(tmp_path / "in", image_model()))[0] == 0
    assert repository(tmp_path).weights("mine@1") is None


def test_a_model_without_a_text_half_names_those_that_have_one(add: Any, tmp_path: Path) -> None:
    pytest.importorskip("tokenizers")
    assert add(bring(tmp_path / "in", image_model()))[0] == 0
    code, said = add(bring_dual(tmp_path / "dual"), "--name", "words")
    assert code == 0, said
    assert "also of texts" in said
    models = repository(tmp_path)
    with pytest.raises(Conflict, match="words@1") as error:
        models.text_files(models.card("mine@1"))
    assert error.value.reason == "NO_TEXT"


@pytest.mark.parametrize(
    ("file", "data", "words"),
    [
        ("tokenizer.json", "{}", "tokenizer.json is no tokenizer"),
        ("text.onnx", "no onnx", "text.onnx"),
    ],
)
def test_a_text_half_that_does_not_work_is_refused(
    add: Any, tmp_path: Path, file: str, data: str, words: str
) -> None:
    pytest.importorskip("tokenizers")
    model = bring_dual(tmp_path / "dual")
    (tmp_path / "dual" / file).write_text(data, "utf-8")
    code, said = add(model)
    assert code == 1
    assert words in said
    assert repository(tmp_path).cards() == []
