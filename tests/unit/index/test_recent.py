import threading

import pytest

from hundredfold.index.recent import Recent


def counting(values):
    def open_value():
        values.append(len(values))
        return values[-1]

    return open_value


def test_a_value_is_opened_once():
    recent, opened = Recent(2), []
    assert [recent.get("a", "1", counting(opened)) for _ in range(3)] == [0, 0, 0]


def test_another_version_is_opened_anew():
    recent, opened = Recent(2), []
    assert [recent.get("a", version, counting(opened)) for version in "1122"] == [0, 0, 1, 1]


def test_the_value_used_longest_ago_goes_first():
    recent, opened = Recent(2), []
    for name in "abac":
        recent.get(name, "", counting(opened))
    assert len(opened) == 3
    recent.get("a", "", counting(opened))
    assert len(opened) == 3
    recent.get("b", "", counting(opened))
    assert len(opened) == 4


def test_a_failure_to_open_passes_and_the_old_value_stays():
    recent, opened = Recent(2), []
    recent.get("a", "1", counting(opened))

    def fail():
        raise ConnectionError

    with pytest.raises(ConnectionError):
        recent.get("a", "2", fail)
    assert recent.get("a", "1", counting(opened)) == 0


def test_what_is_open_is_not_kept_waiting_by_what_is_being_opened():
    recent, opened = Recent(2), []
    recent.get("a", "", counting(opened))
    begun, go_on = threading.Event(), threading.Event()

    def slow():
        begun.set()
        assert go_on.wait(10)
        return "slow"

    thread = threading.Thread(target=recent.get, args=("b", "", slow))
    thread.start()
    assert begun.wait(10)
    assert recent.get("a", "", counting(opened)) == 0
    go_on.set()
    thread.join()
    assert recent.get("b", "", slow) == "slow"


def test_two_threads_that_want_the_same_value_open_it_once():
    recent, opened = Recent(2), []
    barrier = threading.Barrier(4)

    def want():
        barrier.wait()
        recent.get("a", "", counting(opened))

    threads = [threading.Thread(target=want) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert opened == [0]
