"""`hundredfold duplicates` on real services."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from click.testing import CliRunner

from hundredfold.catalog.ingest import Ingest
from hundredfold.catalog.servicer import CatalogServicer, catalog_mount
from hundredfold.catalog.store import CatalogStore
from hundredfold.chassis.errors import NotFound
from hundredfold.chassis.runs import Job, Runs
from hundredfold.chassis.runs_servicer import runs_mount
from hundredfold.chassis.sources import Sources
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.chassis.testing import running
from hundredfold.cli.__main__ import hundredfold
from hundredfold.hashing import duplicates_job, hash_job, leaks_job
from hundredfold.hashing.servicer import HashingServicer, hashing_mount
from tests.contract.hashing_collections import encoded, photo

Run = Callable[..., Any]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """Runs a command against a catalog and a hashing service that have two collections."""
    folder = tmp_path_factory.mktemp("images")
    for collection, seeds in (("train", (1, 1, 2)), ("test", (3, 1))):
        (folder / collection).mkdir()
        for number, seed in enumerate(seeds):
            (folder / collection / f"{number}.png").write_bytes(encoded(photo(seed)))
    store, sources = ArtifactStore(str(tmp_path_factory.mktemp("store"))), Sources((str(folder),))
    brings_in = Runs(store, "catalog", {"ingest": Ingest(store, sources, 1, 20_000)})
    jobs: dict[str, Job] = {
        hash_job.KIND: hash_job.HashCollection(store, sources),
        duplicates_job.KIND: duplicates_job.FindDuplicates(store),
        leaks_job.KIND: leaks_job.FindLeaks(store),
    }
    hashes = Runs(store, "hashing", jobs)
    catalog = catalog_mount(CatalogServicer(CatalogStore(store), sources, brings_in))
    hashing = hashing_mount(HashingServicer(store, hashes, sources))
    with (
        running(catalog, runs_mount(brings_in)) as one,
        running(hashing, runs_mount(hashes)) as two,
        pytest.MonkeyPatch.context() as patched,
    ):
        patched.setenv("HUNDREDFOLD_CATALOG_ADDRESS", one.address)
        patched.setenv("HUNDREDFOLD_HASHING_ADDRESS", two.address)
        for collection in ("train", "test"):
            _invoked("ingest", str(folder / collection), "--collection", collection, "--json")
        yield _invoked
    brings_in.close()
    hashes.close()


def _invoked(*arguments: str) -> Any:
    answer = CliRunner().invoke(hundredfold, arguments, catch_exceptions=False)
    assert answer.exit_code == 0, answer.output
    return json.loads(answer.stdout) if "--json" in arguments else answer.output


def test_groups_are_listed_once_they_were_looked_for(run: Run) -> None:
    with pytest.raises(NotFound, match="not looked for yet"):
        run("duplicates", "test")
    made = run("duplicates", "train", "--radius", "2", "--json")
    assert (made["group_count"], made["copy_count"]) == (1, 1)
    (group,) = made["groups"]
    assert [made["keys"][str(row)] for row in (group["representative"], *group["copies"])] == [
        "0.png",
        "1.png",
    ]
    listed = run("duplicates", "train", "--json")
    assert listed["groups"] == made["groups"]
    assert "1 groups, 1 copies" in run("duplicates", "train")


def test_copies_in_another_collection_are_named(run: Run) -> None:
    found = run("duplicates", "train", "--against", "test", "--json")
    assert (found["count"], found["sides"]) == (2, ["train", "test"])
    assert found["counts"] == [[0, 2], [1, 0]]
    assert set(found["keys"].values()) == {"0.png", "1.png"}
    assert set(found["other_keys"].values()) == {"1.png"}
    assert "2 images of train have a copy in test" in run(
        "duplicates", "train", "--against", "test"
    )


def test_copies_across_tags_that_nobody_has_are_none(run: Run) -> None:
    said = run("duplicates", "train", "--across", "a", "--across", "b")
    assert "no copies across a, b" in said
