"""How the nodes of a cluster are divided among workers."""

import pytest

pytest.importorskip("ray", reason="needs hundredfold[ray]")

from hundredfold.chassis.ray_crew import Share, shares


@pytest.mark.parametrize(
    ("cpus", "expected"), [(1, [1]), (2, [2]), (16, [16]), (17, [8, 8]), (64, [16] * 4)]
)
def test_a_node_has_a_worker_for_each_sixteen_cpus(cpus: int, expected: list[int]) -> None:
    assert shares({"CPU": float(cpus), "memory": 1e9}) == [Share(each, 0) for each in expected]


@pytest.mark.parametrize(
    ("cpus", "gpus", "expected"), [(8, 1, [8]), (32, 4, [8] * 4), (2, 4, [1] * 4)]
)
def test_a_node_with_gpus_has_a_worker_for_each(cpus: int, gpus: int, expected: list[int]) -> None:
    assert shares({"CPU": cpus, "GPU": gpus}) == [Share(each, 1) for each in expected]


@pytest.mark.parametrize("resources", [{}, {"CPU": 0.0, "memory": 1e9}, {"GPU": 1.0}])
def test_a_node_that_offers_no_cpu_has_none(resources: dict[str, float]) -> None:
    assert shares(resources) == []


@pytest.mark.parametrize(("cpus", "reserved"), [(1, 0.5), (2, 1), (5, 2), (16, 8)])
def test_a_worker_leaves_half_of_its_cpus_to_short_tasks(cpus: int, reserved: float) -> None:
    assert Share(cpus, 0).reserved == reserved
