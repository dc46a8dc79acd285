"""A real Ray cluster on this machine, whose nodes can be killed."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest


@contextmanager
def ray_nodes(*cpus: int) -> Iterator[Any]:
    """A cluster of nodes with so many CPUs each, at RAY_ADDRESS meanwhile; skips where Ray is not installed."""
    utils = pytest.importorskip("ray.cluster_utils", reason="needs hundredfold[ray]")
    with pytest.MonkeyPatch.context() as environ:
        # The processes of the nodes must find the tests.
        environ.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
        started = utils.Cluster(initialize_head=True, head_node_args={"num_cpus": cpus[0]})
        try:
            for each in cpus[1:]:
                started.add_node(num_cpus=each)
            environ.setenv("RAY_ADDRESS", started.address)
            yield started
        finally:
            started.shutdown()
