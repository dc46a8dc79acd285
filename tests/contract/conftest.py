"""Fixtures of all contract tests."""

import sys
from collections.abc import Iterator

import pytest

from tests.contract.embedding_fixtures import lite0_store

__all__ = ["lite0_store"]


@pytest.fixture(autouse=True)
def _own_main() -> Iterator[None]:
    """Streamlit leaves the script it ran as `__main__`, which processes that a later test spawns would look for."""
    main = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = main
