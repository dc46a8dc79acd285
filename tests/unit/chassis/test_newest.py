"""Things in memory are as new as the store."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from hundredfold.chassis.newest import Newest


def test_a_version_is_loaded_once_however_many_ask():
    newest, loads, ready = Newest(2), [], threading.Barrier(8)

    def load():
        loads.append(1)
        return "thing"

    def ask(_):
        ready.wait()
        return newest.get("name", 1, load)

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(ask, range(8))) == {"thing"}
    assert len(loads) == 1


def test_another_version_is_loaded_anew():
    newest = Newest(2)
    assert newest.get("name", 1, lambda: "old") == "old"
    assert newest.get("name", 2, lambda: "new") == "new"
    assert newest.get("name", 2, lambda: "not asked") == "new"


def test_the_least_used_is_let_go():
    newest = Newest(2)
    for name in ("a", "b", "a", "c"):
        newest.get(name, 1, lambda name=name: name)
    assert newest.get("a", 1, lambda: "again") == "a"
    assert newest.get("b", 1, lambda: "again") == "again"


def test_a_failed_load_is_tried_again():
    newest = Newest(2)

    def fail():
        raise OSError

    with pytest.raises(OSError):  # noqa: PT011  # any will do
        newest.get("name", 1, fail)
    assert newest.get("name", 1, lambda: "thing") == "thing"


def test_what_is_there_is_not_kept_waiting_by_what_is_being_loaded():
    newest = Newest(2)
    newest.get("a", 1, lambda: "a")
    begun, go_on = threading.Event(), threading.Event()

    def slow():
        begun.set()
        assert go_on.wait(10)
        return "slow"

    with ThreadPoolExecutor(1) as pool:
        loading = pool.submit(newest.get, "b", 1, slow)
        assert begun.wait(10)
        assert newest.get("a", 1, slow) == "a"
        go_on.set()
        assert loading.result() == "slow"
