"""Each engine keeps one contract; what is of processes is tested with real ones that are killed."""

import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest

from hundredfold.chassis.engine import Engine, LocalEngine, engine
from hundredfold.chassis.errors import InvalidArgument, NotFound, ResourceExhausted, Unavailable
from hundredfold.chassis.testing import wait_for
from tests.ray_nodes import ray_nodes

pytestmark = pytest.mark.timeout(60)


def square(value: int) -> int:
    return value * value


def fail_at_three(value: int) -> int:
    if value == 3:
        raise NotFound("there is no three", field="value")
    return value


def die_at(task: tuple[int, int]) -> int:
    value, deadly = task
    if value == deadly:
        os.kill(os.getpid(), signal.SIGKILL)
    return value


def die_the_first_time(task: tuple[int, str]) -> int:
    value, mark = task
    if value == 3 and not Path(mark).exists():
        Path(mark).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return value


def about_the_worker(_: int) -> tuple[int, str | None, object]:
    return os.getpid(), os.environ.get("OMP_NUM_THREADS"), signal.getsignal(signal.SIGINT)


def wait_for_file(task: tuple[int, str]) -> int:
    value, path = task
    wait_for(lambda: Path(path).exists() or None, 50)
    return value


@dataclass(frozen=True)
class Prepared:
    """What a worker prepared: which process did so, and when."""

    pid: int
    cpus: int
    at: float


def prepare(cpus: int) -> Prepared:
    return Prepared(os.getpid(), cpus, time.monotonic())


def refuse(_: int) -> Prepared:
    raise NotFound("there is no model", field="model")


def with_state(state: Prepared, value: int) -> tuple[Prepared, int, int]:
    return state, os.getpid(), value


def square_with(_: Prepared, value: int) -> int:
    return square(value)


def fail_at_three_with(_: Prepared, value: int) -> int:
    return fail_at_three(value)


def wait_for_file_with(_: Prepared, task: tuple[int, str]) -> int:
    return wait_for_file(task)


def die_at_with(_: Prepared, task: tuple[int, int]) -> int:
    return die_at(task)


def die_the_first_time_with(_: Prepared, task: tuple[int, str]) -> int:
    return die_the_first_time(task)


class EngineContract:
    """What every engine promises; a new one inherits it."""

    engine: Engine

    def test_every_task_has_one_result(self) -> None:
        assert sorted(self.engine.map(square, range(100))) == [n * n for n in range(100)]

    def test_no_tasks_have_no_results(self) -> None:
        assert list(self.engine.map(square, [])) == []

    def test_results_come_as_they_finish(self, tmp_path: Path) -> None:
        gate = tmp_path / "gate"
        results = self.engine.map(wait_for_file, [(0, str(gate)), (1, str(tmp_path))])
        assert next(results) == 1
        gate.touch()
        assert list(results) == [0]

    def test_an_exception_of_the_function_reaches_the_caller(self) -> None:
        with pytest.raises(NotFound, match="no three") as caught:
            list(self.engine.map(fail_at_three, range(100)))
        assert caught.value.field == "value"
        assert list(self.engine.map(square, [2])) == [4]

    def test_tasks_are_taken_only_as_there_is_room(self) -> None:
        taken = itertools.count()
        endless = (next(taken) for _ in itertools.repeat(None))
        results = self.engine.map(square, endless)
        for _ in range(50):
            next(results)
        results.close()
        assert next(taken) < 100

    def test_a_check_that_raises_ends_the_map_while_it_waits(self, tmp_path: Path) -> None:
        asked = itertools.count()

        def check() -> None:
            if next(asked) > 1:
                raise InterruptedError

        gate = tmp_path / "gate"
        with pytest.raises(InterruptedError):
            list(self.engine.map(wait_for_file, [(0, str(gate))], check=check))
        gate.touch()

    def test_maps_of_several_threads_do_not_mix(self) -> None:
        found: dict[int, list[int]] = {}

        def work(begin: int) -> None:
            found[begin] = sorted(self.engine.map(square, range(begin, begin + 50)))

        threads = [threading.Thread(target=work, args=(begin,)) for begin in (0, 100, 200)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found == {b: [n * n for n in range(b, b + 50)] for b in (0, 100, 200)}

    def test_a_worker_prepares_once_and_keeps_its_state(self) -> None:
        found = list(self.engine.map_with(prepare, with_state, range(100)))
        assert sorted(value for *_, value in found) == list(range(100))
        assert {state.pid: state for state, *_ in found} == {pid: state for state, pid, _ in found}
        assert len({state for state, *_ in found}) == len({pid for _, pid, _ in found})
        assert all(state.cpus >= 1 for state, *_ in found)

    def test_nothing_is_prepared_for_no_tasks(self) -> None:
        assert list(self.engine.map_with(refuse, with_state, [])) == []

    def test_what_can_t_be_prepared_reaches_the_caller(self) -> None:
        with pytest.raises(NotFound, match="no model") as caught:
            list(self.engine.map_with(refuse, with_state, range(100)))
        assert caught.value.field == "model"
        assert list(self.engine.map_with(prepare, square_with, [2])) == [4]

    def test_an_exception_of_a_function_with_a_state_reaches_the_caller(self) -> None:
        with pytest.raises(NotFound, match="no three") as caught:
            list(self.engine.map_with(prepare, fail_at_three_with, range(100)))
        assert caught.value.field == "value"
        assert list(self.engine.map_with(prepare, square_with, [2])) == [4]

    def test_tasks_for_a_state_are_taken_only_as_there_is_room(self) -> None:
        taken = itertools.count()
        endless = (next(taken) for _ in itertools.repeat(None))
        results = self.engine.map_with(prepare, square_with, endless)
        for _ in range(50):
            next(results)
        results.close()
        assert next(taken) < 100

    def test_a_check_that_raises_ends_a_map_with_states_while_it_waits(
        self, tmp_path: Path
    ) -> None:
        begun = time.monotonic()

        def check() -> None:
            if time.monotonic() > begun + 1:
                raise InterruptedError

        never = str(tmp_path / "never")
        with pytest.raises(InterruptedError):
            list(self.engine.map_with(prepare, wait_for_file_with, [(0, never)], check=check))
        Path(never).touch()
        assert list(self.engine.map_with(prepare, square_with, [2])) == [4]

    def test_a_killed_worker_with_a_state_costs_no_result(self, tmp_path: Path) -> None:
        mark = str(tmp_path / "died")
        tasks = [(value, mark) for value in range(30)]
        found = self.engine.map_with(prepare, die_the_first_time_with, tasks)
        assert sorted(found) == list(range(30))
        assert Path(mark).exists()

    def test_a_task_that_kills_its_worker_and_its_state_twice_is_told(self) -> None:
        with pytest.raises(ResourceExhausted) as caught:
            list(self.engine.map_with(prepare, die_at_with, [(value, 3) for value in range(10)]))
        assert caught.value.reason == "WORKER_DIED"

    def test_a_closed_engine_is_unavailable(self) -> None:
        self.engine.close()
        self.engine.close()
        with pytest.raises(Unavailable):
            list(self.engine.map(square, [1]))
        with pytest.raises(Unavailable):
            list(self.engine.map_with(prepare, square_with, [1]))


class TestLocalEngine(EngineContract):
    @pytest.fixture(autouse=True)
    def _engine(self) -> Iterator[None]:
        with LocalEngine(workers=2) as self.engine:
            yield

    def test_workers_are_kept_between_maps(self) -> None:
        first = {pid for pid, *_ in self.engine.map(about_the_worker, range(20))}
        second = {pid for pid, *_ in self.engine.map(about_the_worker, range(20))}
        assert len(first | second) <= 2
        assert os.getpid() not in first

    def test_workers_use_one_thread_and_leave_ctrl_c_to_their_parent(self) -> None:
        before = dict(os.environ)
        for _, threads, handler in self.engine.map(about_the_worker, range(4)):
            assert (threads, handler) == ("1", signal.SIG_IGN)
        assert dict(os.environ) == before

    def test_the_workers_of_one_map_can_be_limited(self, tmp_path: Path) -> None:
        gate = tmp_path / "gate"
        taken = itertools.count()
        tasks = ((next(taken), str(gate)) for _ in range(5))
        results = self.engine.map(wait_for_file, tasks, workers=1)
        threading.Timer(0.2, gate.touch).start()
        next(results)
        assert next(taken) == 1
        assert len(list(results)) == 4

    def test_a_killed_worker_costs_no_result(self, tmp_path: Path) -> None:
        mark = str(tmp_path / "died")
        tasks = [(value, mark) for value in range(30)]
        assert sorted(self.engine.map(die_the_first_time, tasks)) == list(range(30))
        assert Path(mark).exists()

    def test_a_task_that_kills_its_worker_twice_is_told(self) -> None:
        with pytest.raises(ResourceExhausted) as caught:
            list(self.engine.map(die_at, [(value, 3) for value in range(30)]))
        assert caught.value.reason == "WORKER_DIED"
        assert list(self.engine.map(square, [2])) == [4]

    def test_a_deadly_task_spares_the_maps_of_other_threads(self) -> None:
        found: list[int] = []

        def innocent() -> None:
            found.extend(self.engine.map(square, range(1_000)))

        thread = threading.Thread(target=innocent)
        thread.start()
        for _ in range(2):
            with pytest.raises(ResourceExhausted):
                list(self.engine.map(die_at, [(value, 3) for value in range(10)]))
        thread.join()
        assert sorted(found) == [n * n for n in range(1_000)]

    def test_close_ends_workers_at_work(self, tmp_path: Path) -> None:
        gate = str(tmp_path / "never")
        raised: list[Exception] = []

        def work() -> None:
            try:
                list(self.engine.map(wait_for_file, [(0, gate)]))
            except Unavailable as error:
                raised.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        (child,) = wait_for(children)
        self.engine.close()  # the gate never opens: it does not wait for the task
        thread.join()
        assert len(raised) == 1
        assert child not in children()

    def test_workers_end_with_a_parent_that_is_killed(self, tmp_path: Path) -> None:
        with subprocess.Popen(
            [sys.executable, "-c", _PARENT, str(tmp_path / "never")],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        ) as parent:
            assert parent.stdout is not None
            worker = int(parent.stdout.readline())
            parent.kill()
        wait_for(lambda: not alive(worker) or None)

    def test_it_needs_a_worker(self) -> None:
        with pytest.raises(InvalidArgument):
            LocalEngine(workers=0)


_PARENT = """
import sys, threading
from hundredfold.chassis.engine import LocalEngine
from tests.unit.chassis.test_engine import about_the_worker, wait_for_file
engine = LocalEngine(workers=1)
print(next(engine.map(about_the_worker, [0]))[0], flush=True)
# Its own thread has ended by then: workers belong to the process, not to the thread.
list(engine.map(wait_for_file, [(0, sys.argv[1])]))
"""


def children() -> list[int]:
    """The pids of this process's spawned workers."""
    found = Path(f"/proc/{os.getpid()}/task").glob("*/children")
    pids = [int(pid) for file in found for pid in file.read_text().split()]
    return [pid for pid in pids if b"spawn_main" in _command(pid)]


def alive(pid: int) -> bool:
    return bool(_command(pid))


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def test_workers_outlive_the_thread_that_made_them() -> None:
    with LocalEngine(workers=1) as pool:
        pids: list[int] = []
        thread = threading.Thread(
            target=lambda: pids.extend(pid for pid, *_ in pool.map(about_the_worker, [0]))
        )
        thread.start()
        thread.join()
        assert [pid for pid, *_ in pool.map(about_the_worker, [0])] == pids


@pytest.mark.skipif(find_spec("ray") is None, reason="needs hundredfold[ray]")
@pytest.mark.filterwarnings("ignore")  # Ray's own
class TestRayEngine(EngineContract):
    @pytest.fixture(scope="class", autouse=True)
    def _cluster(self) -> Iterator[None]:
        with ray_nodes(2):
            yield

    @pytest.fixture(autouse=True)
    def _engine(self, _cluster: None) -> Iterator[None]:
        with engine("ray") as self.engine:
            yield

    def test_a_killed_worker_costs_no_result(self, tmp_path: Path) -> None:
        tasks = [(value, str(tmp_path / "died")) for value in range(10)]
        assert sorted(self.engine.map(die_the_first_time, tasks)) == list(range(10))

    def test_a_task_that_kills_its_worker_twice_is_told(self) -> None:
        with pytest.raises(ResourceExhausted) as caught:
            list(self.engine.map(die_at, [(value, 3) for value in range(10)]))
        assert caught.value.reason == "WORKER_DIED"

    def test_workers_with_a_state_end_with_their_map(self) -> None:
        found = list(self.engine.map_with(prepare, with_state, range(10)))
        pids = {pid for _, pid, _ in found}
        wait_for(lambda: not any(alive(pid) for pid in pids) or None)


@pytest.mark.skipif(find_spec("ray") is not None, reason="Ray is installed")
def test_an_engine_that_is_not_installed_names_its_extra() -> None:
    with pytest.raises(InvalidArgument, match=r"hundredfold\[ray\]"):
        engine("ray")


def test_engines_are_made_by_name() -> None:
    with engine("local", 1) as made:
        assert list(made.map(square, [3])) == [9]
    with pytest.raises(InvalidArgument, match="local"):
        engine("nosuch")


def test_an_engine_that_was_not_used_closes() -> None:
    engine("local").close()
