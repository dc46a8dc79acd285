"""Texts are embedded by the half that a dual encoder has for them; the encoder is tiny, the service real."""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from hundredfold.api.embedding.v1 import embedding_pb2 as pb
from hundredfold.chassis.errors import Conflict, InvalidArgument, NotFound
from hundredfold.chassis.storage import layout
from hundredfold.chassis.tensors import unpack
from hundredfold.embedding.export.__main__ import main
from tests.contract.embedding_fixtures import plain, publish_colour
from tests.contract.embedding_service import Service, service

pytest.importorskip("tokenizers")

from tests.contract.onnx_files import bring_dual

COLOURS = ["red", "green", "blue"]
NAMED = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}


def add_dual(root: Path, *, mask: bool = False) -> None:
    file = bring_dual(root / "dual", mask=mask)
    assert main([f"onnx:{file}", "--store", str(root / "store"), "--name", "dual"]) == 0


@pytest.fixture
def dual(tmp_path: Path) -> Iterator[Service]:
    add_dual(tmp_path)
    with service(tmp_path) as running:
        publish_colour(running.store, tmp_path)
        yield running


def texts(dual: Service, *words: str, model: str = "dual@1") -> NDArray[np.float32]:
    answer = dual.stub.EmbedText(pb.EmbedTextRequest(model=model, texts=words))
    assert answer.model == model
    return unpack(answer.vectors, dtype=np.float32, ndim=2, field="vectors")


def images(dual: Service) -> NDArray[np.float32]:
    (answer,) = dual.embed([plain(*NAMED[colour]) for colour in COLOURS], model="dual@1")
    return unpack(answer.vectors, dtype=np.float32, ndim=2, field="vectors")


def test_a_word_lies_where_the_images_it_describes_lie(dual: Service) -> None:
    words, seen = texts(dual, *[" ".join([colour] * 4) for colour in COLOURS]), images(dual)
    np.testing.assert_allclose(np.linalg.norm(words, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose((words * seen).sum(axis=1), 1, atol=1e-4)
    assert np.argmax(words @ seen.T, axis=1).tolist() == [0, 1, 2]


def test_padding_counts_nothing_for_a_graph_with_a_mask(tmp_path: Path) -> None:
    add_dual(tmp_path, mask=True)
    with service(tmp_path) as dual:
        alone, together = texts(dual, "red"), texts(dual, "red", "red red red red")
        np.testing.assert_allclose(together, np.repeat(alone, 2, axis=0), atol=1e-6)


def test_a_text_is_embedded_alone_as_in_company(dual: Service) -> None:
    together = texts(dual, "red", "blue green", "Red  red")
    for number, text in enumerate(("red", "blue green", "red red")):
        np.testing.assert_allclose(texts(dual, text)[0], together[number], atol=1e-6)


def test_what_is_longer_than_the_model_reads_is_cut(dual: Service) -> None:
    np.testing.assert_allclose(
        texts(dual, "red red red red blue blue"), texts(dual, "red red red red"), atol=1e-6
    )


def test_a_model_without_that_half_names_those_that_have_it(dual: Service) -> None:
    with pytest.raises(Conflict, match="dual@1") as error:
        texts(dual, "red", model="colour@1")
    assert error.value.reason == "NO_TEXT"
    assert error.value.metadata["models"] == "dual@1"


def test_a_model_that_is_not_there_is_not_found(dual: Service) -> None:
    with pytest.raises(NotFound, match="absent@1"):
        texts(dual, "red", model="absent@1")


@pytest.mark.parametrize(
    "words", [[], ["red"] * 257, ["red", ""], [" \n"], ["x" * 2001]], ids=range(5)
)
def test_none_or_too_many_or_empty_or_long_texts_are_refused(
    dual: Service, words: list[str]
) -> None:
    with pytest.raises(InvalidArgument) as error:
        texts(dual, *words)
    assert error.value.field == "texts"


def test_missing_tokenizers_are_told_with_what_to_install(
    dual: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tokenizers", None)  # as if it were not installed
    with pytest.raises(Conflict, match=r"hundredfold\[text\]") as error:
        texts(dual, "red")
    assert error.value.reason == "NO_TOKENIZERS"


def test_a_damaged_half_is_told(dual: Service) -> None:
    file = dual.store.local(f"{layout.model('dual@1')}/{layout.MODEL_TEXT}")
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 0xFF
    file.write_bytes(data)
    with pytest.raises(Conflict, match=layout.MODEL_TEXT) as error:
        texts(dual, "red")
    assert error.value.reason == "ARTIFACT_DAMAGED"


def test_models_tell_whether_they_embed_texts(dual: Service) -> None:
    models = dual.stub.ListModels(pb.ListModelsRequest()).models
    assert {each.model: each.texts for each in models} == {"colour@1": False, "dual@1": True}
