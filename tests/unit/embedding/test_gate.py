import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from hundredfold.chassis.testing import wait_for
from hundredfold.embedding.gate import Gate


class House:
    """A gate, and callers with numbers who stay inside until they are told to go."""

    def __init__(self) -> None:
        self.limit = 1
        self.inside: list[int] = []
        self._gate = Gate(lambda: self.limit)
        self._pool = ThreadPoolExecutor(10)
        self._leave = [threading.Event() for _ in range(10)]

    def comes(self, number: int, error: Exception | None = None) -> "Future[None]":
        """A caller comes in, or stands in the queue when this returns; then his check raises the error."""
        stands = threading.Event()

        def check() -> None:
            if stands.is_set() and error:
                raise error
            stands.set()

        def stay() -> None:
            with self._gate.place(check):
                self.inside.append(number)
                assert self._leave[number].wait(30)
                self.inside.remove(number)

        done = self._pool.submit(stay)
        wait_for(lambda: stands.is_set() or number in self.inside)
        return done

    def goes(self, number: int) -> None:
        self._leave[number].set()

    def close(self) -> None:
        for each in self._leave:
            each.set()
        self._pool.shutdown()


@pytest.fixture
def house() -> Iterator[House]:
    house = House()
    yield house
    house.close()


def test_no_more_are_inside_than_the_limit_until_it_grows(house: House) -> None:
    for number in range(3):
        house.comes(number)
    assert house.inside == [0]
    house.limit = 3
    wait_for(lambda: len(house.inside) == 3)


def test_a_limit_that_falls_lets_nobody_in_until_enough_have_left(house: House) -> None:
    house.limit = 2
    for number in range(3):
        house.comes(number)
    house.limit = 1
    house.goes(0)
    house.comes(3)
    assert house.inside == [1]
    house.goes(1)
    wait_for(lambda: house.inside == [2])


def test_callers_come_in_as_they_came_also_one_who_comes_back(house: House) -> None:
    for number in (0, 1, 2):
        house.comes(number)
    house.goes(0)
    wait_for(lambda: house.inside == [1])
    house.comes(3)
    house.goes(1)
    wait_for(lambda: house.inside == [2])
    house.goes(2)
    wait_for(lambda: house.inside == [3])


def test_the_check_ends_the_wait_and_those_behind_move_up(house: House) -> None:
    house.comes(0)
    given_up = house.comes(1, InterruptedError("cancelled"))
    house.comes(2)
    with pytest.raises(InterruptedError):
        given_up.result(10)
    house.goes(0)
    wait_for(lambda: house.inside == [2])
