"""Networks of libraries as backbones, made elsewhere, as PyTorch stays out of this process."""

import json
import math
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from hundredfold.chassis.backbones.repository import ModelRepository
from hundredfold.chassis.errors import InvalidArgument
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.embedding.backends.onnx import OnnxBackend
from hundredfold.embedding.export.spec import Spec
from tests.contract.embedding_fixtures import photo

TINY = {
    "embed_dim": 24,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 64, "patch_size": 16},
    "text_cfg": {"context_length": 8, "vocab_size": 64, "width": 32, "heads": 1, "layers": 1},
}


def python(program: str, *arguments: object) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-W", "ignore", "-c", program, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


MANY = """
import contextlib, io, json, sys
from hundredfold.embedding.export.__main__ import main

told = []
for arguments in json.loads(sys.argv[1]):
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        code = main(arguments)
    told.append([code, out.getvalue()])
print(json.dumps(told))
"""


def exports(*commands: list[str], before: str = "") -> list[tuple[int, str]]:
    """Exit code and output of each command; in one process, as PyTorch takes seconds to load."""
    done = python(f"{before}\n{MANY}", json.dumps(commands))
    assert done.returncode == 0, done.stderr
    return [(code, text) for code, text in json.loads(done.stdout)]


def need(*modules: str) -> None:
    missing = [name for name in ("torch", "onnx", *modules) if find_spec(name) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")


def repository(tmp_path: Path) -> ModelRepository:
    return ModelRepository(ArtifactStore(str(tmp_path / "store")))


SAVE = """
import sys, timm, torch
from safetensors.torch import save_file
torch.manual_seed(1)
network = timm.create_model("test_vit", num_classes=5)
save_file(network.state_dict(), sys.argv[1])
torch.save({"state_dict": {f"module.{k}": v for k, v in network.state_dict().items()}}, sys.argv[2])
pixels = torch.full((1, 160, 160, 3), 90.0)
pixels[:, ::2] = 200.0
seen = ((pixels / 255 - 0.5) / 0.5).permute(0, 3, 1, 2)
network.reset_classifier(0)
with torch.inference_mode():
    print(network.eval()(seen)[0].tolist())
"""


def test_a_network_of_timm_gets_the_weights_and_the_normalisation_it_was_trained_with(
    tmp_path: Path,
) -> None:
    need("timm")
    told = python(SAVE, tmp_path / "w.safetensors", tmp_path / "w.pt")
    assert told.returncode == 0, told.stderr
    expected = np.array(json.loads(told.stdout))
    store = ["--store", str(tmp_path / "store")]
    one, two, other = exports(
        [f"timm:test_vit:{tmp_path / 'w.safetensors'}", *store],
        [f"timm:test_vit:{tmp_path / 'w.pt'}", *store, "--version", "2"],
        [f"timm:test_resnet:{tmp_path / 'w.pt'}", *store],
    )
    assert (one[0], two[0], other[0]) == (0, 0, 1), (one, two)
    assert "state_dict" in other[1]  # weights of another network
    models = repository(tmp_path)
    pixels = np.full((1, 160, 160, 3), 90, np.uint8)
    pixels[:, ::2] = 200
    for model in ("timm-test_vit@1", "timm-test_vit@2"):
        card = models.card(model)
        assert (card.input_pixels, card.classes, card.licence) == (160, 0, "apache-2.0")
        assert (
            f"timm test_vit, weights w.{'pt' if model[-1] == '2' else 'safetensors'}" in card.source
        )
        (vector,) = OnnxBackend(models, 1).embed(card, pixels, seconds=math.inf)
        cosine = vector @ expected / np.linalg.norm(expected) / np.linalg.norm(vector)
        assert cosine == pytest.approx(1, abs=1e-5)


def test_the_half_for_images_of_a_dual_encoder_of_open_clip_becomes_a_backbone(
    tmp_path: Path,
) -> None:
    need("open_clip")
    (tmp_path / "tiny-dual.json").write_text(json.dumps(TINY), "utf-8")
    known = f"import open_clip; open_clip.add_model_config({str(tmp_path)!r})"
    save = f"{known}\nimport sys, torch\ntorch.manual_seed(2)\nm = open_clip.create_model('tiny-dual')\ntorch.save(m.state_dict(), sys.argv[1])"
    assert python(save, tmp_path / "dual.pt").returncode == 0
    spec = f"open_clip:tiny-dual:{tmp_path / 'dual.pt'}"
    arguments = [spec, "--store", str(tmp_path / "store"), "--licence", "MIT"]
    ((code, text),) = exports(arguments, before=known)
    assert code == 0, text
    models = repository(tmp_path)
    card = models.card("open-clip-tiny-dual@1")
    assert (card.dimensions, card.input_pixels, card.licence) == (24, 32, "MIT")
    images = np.stack([photo(seed, 32, 32) for seed in range(3)])
    vectors = OnnxBackend(models, 1).embed(card, images, seconds=math.inf)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


REFUSED = {
    "timm:test_vit": "comes without weights",
    "timm:nonsense": "timm has no model 'nonsense'",
    "torchvision:nonsense": "it has alexnet",
    "open_clip:nonsense": "open_clip has no model 'nonsense'",
    "open_clip:ViT-L-14": "differ in their normalisation",
    "open_clip:ViT-L-14.nonsense": "has no weights 'nonsense' of ViT-L-14",
    "no-such-recipe": "there are efficientnet-lite0",
    "timm:test_vit:/nowhere/weights.safetensors": "weights.safetensors",
    "unknown:thing": "no recipe 'unknown'",
    "triton:thing": "is not of the form",
    "timm:": "is no model",
}


def test_what_can_t_be_made_is_told(tmp_path: Path) -> None:
    need("timm", "open_clip", "torchvision", "efficientnet_lite_pytorch")
    specs = dict(REFUSED)
    for name in ("w.safetensors", "w.pt"):
        for number, data in enumerate((b"garbage", b"cposix\nsystem\n(S'true'\ntR.")):
            file = tmp_path / f"{number}-{name}"
            file.write_bytes(data)
            specs[f"timm:test_vit:{file}"] = f"{file.name} holds no weights"
    store = str(tmp_path / "store")
    told = exports(*([spec, "--store", store] for spec in specs))
    for (spec, words), (code, text) in zip(specs.items(), told, strict=True):
        assert code == 1, spec
        assert words in text
    assert not (tmp_path / "store" / "models").exists()


def test_random_weights_are_taken_when_asked_for_and_told(tmp_path: Path) -> None:
    need("timm")
    store = ["--store", str(tmp_path / "store")]
    made, listed = exports(["timm:test_resnet", "--random-weights", *store], ["--list", *store])
    assert made[0] == 0, made[1]
    assert "timm test_resnet, random weights" in made[1]
    assert listed[1].startswith("timm-test_resnet@1: 96")


@pytest.mark.parametrize(
    ("spec", "model"),
    [
        ("efficientnet-lite0", "efficientnet-lite0@1"),
        ("torchvision:mobilenet_v3_small", "torchvision-mobilenet-v3-small@1"),
        ("timm:vit_small_patch16_224.augreg:w.pt", "timm-vit_small_patch16_224.augreg@1"),
        ("open_clip:ViT-B-32:w.pt", "open-clip-vit-b-32@1"),
        ("onnx:/some/where/My Model.onnx", "my-model@1"),
        ("onnx:/some/where/model.onnx", "where@1"),
        ("triton:theirs@7", "theirs@7"),
    ],
)
def test_a_spec_suggests_a_name(spec: str, model: str) -> None:
    assert Spec.parse(spec).model() == model


def test_a_model_of_a_server_keeps_its_name() -> None:
    with pytest.raises(InvalidArgument, match="keeps the name"):
        Spec.parse("triton:theirs@7").model("mine", 1)
