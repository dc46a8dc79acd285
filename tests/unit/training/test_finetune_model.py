"""Which pieces of a network learn, and what a step of training is."""

import math
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("torchvision")
pytest.importorskip("efficientnet_lite_pytorch")

from hundredfold.chassis.backbones import recipes  # noqa: E402  after the check for PyTorch
from hundredfold.chassis.backbones.weights import load_features, save_features  # noqa: E402
from hundredfold.chassis.errors import Conflict  # noqa: E402
from hundredfold.training.finetune.loop import Trainer  # noqa: E402
from hundredfold.training.finetune.model import Tunable, pieces  # noqa: E402
from hundredfold.training.finetune.recipe import FineTuneRecipe  # noqa: E402

SMALL = recipes.of_library("torchvision", "mobilenet_v3_small")
LITE0 = recipes.RECIPES["efficientnet-lite0"]
NUMBERS = FineTuneRecipe(pixels=32, batch=4, checkpoint_seconds=0)


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def tunable(recipe=SMALL, classes=3, seed=0):
    torch.manual_seed(seed)
    return Tunable(recipe.build(None), recipe, classes, 0.5, 32)


def frozen(module):
    return not any(each.requires_grad for each in module.parameters())


def test_stem_and_first_half_of_the_blocks_of_efficientnet_lite_stay_as_they_are():
    network = tunable(LITE0).features.network
    assert frozen(network._conv_stem)
    assert frozen(network._bn0)
    assert [frozen(block) for block in network._blocks] == [True] * 8 + [False] * 8
    assert not frozen(network._conv_head)


@pytest.mark.parametrize(
    "name",
    [
        "efficientnet-lite0",
        "torchvision-resnet18",
        "torchvision-mobilenet-v3-small",
        "torchvision-efficientnet-v2-s",
        "timm-test_efficientnet",
        "timm-test_vit",
    ],
)
def test_every_family_can_be_taken_apart_and_learns_in_its_upper_half(name):
    recipe = recipes.find(name)
    if recipe is None:
        pytest.skip("its library is not installed")
    order = list(pieces(recipe.build(None).features))
    assert len(order) > 5
    model = tunable(recipe)
    learning = [each for each in model.features.parameters() if each.requires_grad]
    assert 0 < len(learning) < len(list(model.features.parameters()))
    assert not model.training


def test_weights_of_features_survive_their_file(tmp_path):
    torch.manual_seed(1)
    network = SMALL.build(None)
    network.features.to(memory_format=torch.channels_last)
    save_features(network.features, tmp_path / "features.safetensors")
    images = torch.rand(2, 3, 32, 32)
    again = load_features(SMALL, tmp_path / "features.safetensors")
    with torch.inference_mode():
        torch.testing.assert_close(again.features(images), network.features(images))


def test_weights_of_another_network_are_refused(tmp_path):
    save_features(SMALL.build(None).features, tmp_path / "features.safetensors")
    with pytest.raises(RuntimeError):
        load_features(LITE0, tmp_path / "features.safetensors")


def batch(dice):
    classes = dice.integers(0, 3, 4)
    images = dice.integers(0, 60, (4, 32, 32, 3)).astype(np.uint8)
    images[np.arange(4), :, :, classes] += 150
    return images, np.eye(3, dtype=np.float32)[classes]


def trained(folder, steps, *, stop_at=None, model=None, numbers=NUMBERS, seconds=1000.0):
    """A trainer after one stage; with `stop_at` it is cut off there and another goes on."""
    told = []

    class Cut(Exception):
        pass

    def tell(message, **progress):
        told.append(progress)
        if len(told) == stop_at:
            raise Cut

    model = model or tunable()
    trainer = Trainer(model, numbers, 5, folder / "checkpoint.pt", tell)
    how = {"steps": steps, "seconds": seconds, "later": 0, "rate": 1.0, "what": "learning"}
    try:
        trainer.run(1, batch, **how)
    except Cut:
        model = tunable(seed=77)
        trainer = Trainer(model, numbers, 5, folder / "checkpoint.pt", tell)
        trainer.run(1, batch, **how)
    return trainer, model, told


def test_a_training_that_was_cut_off_ends_with_the_same_network(tmp_path):
    (tmp_path / "whole").mkdir()
    (tmp_path / "cut").mkdir()
    whole, expected, _ = trained(tmp_path / "whole", 8)
    cut, got, told = trained(tmp_path / "cut", 8, stop_at=5)
    assert (whole.steps, cut.steps) == (8, 8)
    assert [each["done"] for each in told] == [1, 2, 3, 4, 5, 5, 6, 7, 8]
    for name, tensor in expected.state_dict().items():
        torch.testing.assert_close(got.state_dict()[name], tensor, msg=name)


def test_only_the_upper_half_learns_and_statistics_stay(tmp_path):
    model = tunable()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    trained(tmp_path, 3, model=model)
    changed = {
        name for name, tensor in model.state_dict().items() if not tensor.equal(before[name])
    }
    learning = {name for name, each in model.named_parameters() if each.requires_grad}
    assert changed
    assert changed <= learning
    assert "linear.weight" in changed


def test_a_stage_out_of_time_ends_early_at_its_lowest_rate(tmp_path):
    trainer, _, told = trained(tmp_path, 10_000, seconds=0.5)
    assert 0 < trainer.steps < 10_000
    assert told[-1]["total"] == 10_000


def test_a_loss_that_is_not_finite_ends_the_training(tmp_path):
    wild = replace(NUMBERS, linear_rate=math.inf, backbone_rate=math.inf)
    with pytest.raises(Conflict) as ended:
        trained(tmp_path, 8, numbers=wild)
    assert ended.value.reason == "DIVERGED"
