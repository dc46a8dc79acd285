"""Fixtures of all contract tests."""

from tests.contract.embedding_fixtures import lite0_store

__all__ = ["lite0_store"]
