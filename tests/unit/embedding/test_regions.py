from pathlib import Path

import pytest

from hundredfold.embedding.backends.regions import FOLDER, Region, is_local

pytestmark = pytest.mark.skipif(not FOLDER.exists(), reason="no POSIX shared memory here")


@pytest.mark.parametrize(
    "url", ["127.0.0.1:8001", "localhost:8001", "[::1]:8001", "127.0.1.1:1", "unix:/run/triton"]
)
def test_loopback_and_unix_sockets_are_of_this_machine(url: str) -> None:
    assert is_local(url)


@pytest.mark.parametrize(
    "url", ["triton:8001", "10.0.0.1:8001", "dns:///triton:8001", "localhost.example.org:8001"]
)
def test_other_addresses_are_not_taken_for_this_machine(url: str) -> None:
    assert not is_local(url)


def test_regions_have_names_of_their_own_and_go_when_closed() -> None:
    one, other = Region(4096), Region(4096)
    assert one.name != other.name
    one.memory[:3] = b"abc"
    assert Path(FOLDER / one.name).read_bytes()[:3] == b"abc"
    for region in (one, other):
        region.close()
        assert not (FOLDER / region.name).exists()


def test_a_region_that_has_no_room_leaves_nothing() -> None:
    before = set(FOLDER.iterdir())
    with pytest.raises(OSError, match=r"space|large"):
        Region(1 << 60)
    assert not {each for each in set(FOLDER.iterdir()) - before if "hundredfold" in each.name}
