"""A real Ray cluster on this machine, whose nodes can be killed."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest


@contextmanager
def ray_nodes(cpus: int) -> Iterator[Any]:
    """A cluster at RAY_ADDRESS of one node with so many CPUs, to which others can be added; skips without Ray."""
    utils = pytest.importorskip("ray.cluster_utils", reason="needs hundredfold[ray]")
    with pytest.MonkeyPatch.context() as environ:
        # The processes of the nodes must find the tests.
        environ.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
        started = utils.Cluster(initialize_head=True, head_node_args={"num_cpus": cpus})
        try:
            environ.setenv("RAY_ADDRESS", started.address)
            yield started
        finally:
            started.shutdown()
