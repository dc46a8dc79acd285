"""The benchmark of clusters, with few vectors: all sides do the same work."""

import json
from pathlib import Path

import numpy as np
import pytest

from hundredfold.index.domain.parts import normalised
from tests.benchmarks.cluster import _sse, cluster_folder, gaussian, jittered, measure, purity

ROWS, CLUSTERS = 3000, 40


@pytest.fixture
def features(tmp_path: Path) -> Path:
    """A folder of vectors with labels."""
    cloud = gaussian(400, 5, seed=1)
    labels = np.array([f"class {group}" for group in cloud.groups])
    np.savez(tmp_path / "shapes.npz", vectors=cloud.vectors, labels=labels)
    return tmp_path


def test_every_side_clusters_every_cloud(features: Path) -> None:
    told: list[str] = []
    found = measure(
        told.append, rows=str(ROWS), clusters=str(CLUSTERS), rounds="5", features=str(features)
    )
    for cloud in ("gaussian", "real"):
        for side in ("hundredfold", "job", "faiss", "minibatch"):
            assert 0 < found[cloud][side]["sse"] < ROWS
            assert 0 < found[cloud][side]["purity"] <= 1
        assert found[cloud]["hundredfold"]["sse_of_faiss"] == pytest.approx(1, abs=0.1)
    assert found["as_they_are"]["shapes"]["hundredfold"] > 0.9
    assert json.dumps(found)
    assert told


def test_what_is_not_asked_for_is_not_measured() -> None:
    found = measure(lambda _: None, rows="500", clusters="8", rounds="2", peers="none")
    assert set(found["gaussian"]) == {"hundredfold", "job"}
    assert not {"real", "as_they_are", "disk"} & set(found)


def test_squares_are_counted_from_the_mean_of_each_cluster() -> None:
    points = normalised(np.random.default_rng(0).normal(size=(50, 6)))
    assignment = np.random.default_rng(1).integers(4, size=50).astype(np.int32)
    means = np.stack([points[assignment == number].mean(axis=0) for number in range(4)])
    expected = ((points - means[assignment]) ** 2).sum()
    assert _sse(points, assignment, 5) == pytest.approx(expected, rel=1e-5)


def test_purity_is_the_share_of_the_commonest_group_of_each_cluster() -> None:
    assignment = np.array([0, 0, 0, 3, 3], dtype=np.int32)
    assert purity(assignment, np.array([1, 1, 2, 0, 0])) == pytest.approx(0.8)


def test_the_same_seed_makes_the_same_clouds(features: Path) -> None:
    with np.load(features / "shapes.npz", allow_pickle=False) as file:
        sets = {"shapes": (file["vectors"], file["labels"])}
    one, two = (jittered(sets, 1000, seed=3) for _ in range(2))
    assert np.array_equal(one.vectors, two.vectors)
    assert np.array_equal(one.groups, two.groups)
    assert len(np.unique(one.groups)) == 5


def test_parts_on_disk_are_clustered_and_the_memory_is_told(tmp_path: Path) -> None:
    cloud = gaussian(2000, 10, seed=0)
    for number, part in enumerate(np.array_split(cloud.vectors, 3)):
        np.save(tmp_path / f"part-{number}.npy", part)
    found = cluster_folder(str(tmp_path), CLUSTERS)
    assert found["peak_gb"] > 0
    assert 0 < found["mean_distance"] < 1
