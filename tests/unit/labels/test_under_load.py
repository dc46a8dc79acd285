"""Fifty people at once, and a service that is killed while they work."""

import os
import random
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest

from hundredfold.api.labels.v1 import labels_pb2
from hundredfold.chassis.client import connect
from hundredfold.chassis.errors import Conflict, ServiceError
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.chassis.testing import free_ports, running, wait_for
from hundredfold.labels.__main__ import assemble
from tests.unit.labels.servers import RedisServer, redis_server
from tests.unit.labels.world import (
    BIRDS,
    IS,
    IS_NOT,
    OWL,
    Client,
    balanced,
    config_for,
    make_collection,
    new_id,
    page_message,
    rows_of,
    said,
)

ROWS = 20_000
PAGE = 8
PEOPLE = 50
ANSWERS = 250
PAUSE = 0.1  # seconds before somebody tries again, so that the service can start beside all of them


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


class Book:
    """What the people saw: who holds which rows, and what was acknowledged."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: set[int] = set()
        self.tokens: list[int] = []
        self.acknowledged: dict[str, int] = {}
        self.asked: set[str] = set()

    def hold(self, lease: Any) -> None:
        rows = set(rows_of(lease.page.rows))
        with self._lock:
            assert not rows & self._held, "an image is in two leases"
            self._held |= rows
            self.tokens.append(lease.token)

    def let_go(self, lease: Any) -> None:
        with self._lock:
            self._held -= set(rows_of(lease.page.rows))

    def acknowledge(self, request_id: str, seq: int) -> None:
        with self._lock:
            assert self.acknowledged.setdefault(request_id, seq) == seq


def offer(client: Client, begin: int, pages: int) -> None:
    """Pages of rows from `begin` on; each row is also on a second page."""
    starts = range(begin, begin + pages * PAGE, PAGE)
    client.offer(
        *(page_message(f"a{at}", range(at, at + PAGE), score=-at) for at in starts),
        *(page_message(f"b{at}", range(at + 4, at + 4 + PAGE), score=-at) for at in starts),
        total=ROWS,
    )


def work(client: Client, book: Book, name: str, dice: random.Random) -> None:
    """Lease, then answer each page, now and then twice, or give it back."""
    for lease in client.lease(name, limit=2):
        book.hold(lease)
        rows = rows_of(lease.page.rows)
        book.let_go(lease)
        if dice.random() < 0.1:
            request = labels_pb2.ReleaseLeasesRequest(collection=BIRDS, tokens=[lease.token])
            client.stub.ReleaseLeases(request)
            continue
        request_id = new_id()
        book.asked.add(request_id)
        for _ in range(dice.choice([1, 1, 2])):
            answer = client.submit(
                lease.token,
                said(OWL, IS, *rows[1:]),
                said(OWL, IS_NOT, rows[0]),
                request_id=request_id,
            )
            book.acknowledge(request_id, answer.seq)


def people(at_work: Callable[[int], None], count: int) -> None:
    with ThreadPoolExecutor(count) as pool:
        for done in pool.map(at_work, range(count)):
            assert done is None


def check(client: Client, book: Book) -> None:
    """Every acknowledged decision is there exactly once; none that nobody made; no gap."""
    events = []
    while found := client.events(after_seq=len(events), page_size=1000):
        events += found
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    written = {event.request_id: event.seq for event in events}
    assert len(written) == len(events)
    assert book.acknowledged.items() <= written.items()
    assert written.keys() <= book.asked
    given = Counter(
        row for event in events for each in event.judgements[:1] for row in rows_of(each.rows)
    )
    assert set(given.values()) <= {1}, "an image was labelled twice"
    assert client.labels() == dict.fromkeys(given, OWL)
    progress = client.progress()
    assert balanced(progress)
    assert progress.labelled == len(given)


def test_fifty_people_at_once(tmp_path: Path, redis: RedisServer) -> None:
    redis.empty()
    make_collection(ArtifactStore(str(tmp_path / "store")), rows=ROWS)
    config = config_for(tmp_path, redis.url, workers=PEOPLE)
    service = assemble(config)
    book = Book()
    with running(*service.mounts, config=config) as server:
        channels = [connect(server.address) for _ in range(5)]
        offer(Client(channels[0]), 0, 100)

        def at_work(number: int) -> None:
            client = Client(channels[number % len(channels)])
            dice = random.Random(number)  # noqa: S311  repeatable
            turn = 0
            while len(book.acknowledged) < ANSWERS:
                work(client, book, f"person-{number}", dice)
                turn += 1
                if number == 0:
                    offer(client, turn * 100 * PAGE % (ROWS - 200 * PAGE), 100)

        people(at_work, PEOPLE)
        client = Client(channels[0])
        client.stub.Reconcile(labels_pb2.ReconcileRequest(collection=BIRDS))
        check(client, book)
        assert len(set(book.tokens)) == len(book.tokens)
        assert len(book.acknowledged) >= ANSWERS
        for channel in channels:
            channel.close()
    service.close()


class Process:
    """The service as a process of its own, on one port however often it is started."""

    def __init__(self, folder: Path, redis_url: str) -> None:
        self.address = f"127.0.0.1:{free_ports(1)[0]}"
        self._environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(sys.path),
            "HUNDREDFOLD_LABELS_BIND": self.address,
            "HUNDREDFOLD_STORE": str(folder / "store"),
            "HUNDREDFOLD_REDIS_URL": redis_url,
            "HUNDREDFOLD_LABELS_SNAPSHOT_EVERY": "20",
            "HUNDREDFOLD_LOG_LEVEL": "ERROR",
        }

    def start(self) -> None:
        command = [sys.executable, "-m", "hundredfold.labels"]
        self._process = subprocess.Popen(command, env=self._environment)
        with connect(self.address) as channel:
            wait_for(lambda: answers(channel), 60)

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def stop(self) -> int:
        self._process.terminate()
        return self._process.wait(30)


def answers(channel: grpc.Channel) -> bool:
    try:
        Client(channel).progress()
    except ServiceError:
        return False
    return True


def test_a_service_killed_under_load_loses_and_doubles_nothing(
    tmp_path: Path, redis: RedisServer
) -> None:
    redis.empty()
    make_collection(ArtifactStore(str(tmp_path / "store")), rows=ROWS)
    process, book = Process(tmp_path, redis.url), Book()
    process.start()
    with connect(process.address) as channel:
        client = Client(channel)
        stop = threading.Event()

        def at_work(number: int) -> None:
            while not stop.is_set():
                try:
                    (lease,) = client.lease(f"person-{number}", limit=1) or [None]
                except ServiceError:
                    stop.wait(PAUSE)
                    continue  # not idempotent: what was leased comes back when its lease ends
                if lease:
                    insist(client, book, lease, stop)

        offer(client, 0, 100)
        with ThreadPoolExecutor(8) as pool:
            running_people = [pool.submit(at_work, number) for number in range(8)]
            for kill in (1, 2):
                enough = len(book.acknowledged) + 15
                wait_for(lambda enough=enough: len(book.acknowledged) > enough, 30)  # type: ignore[misc]
                process.kill()
                process.start()
                offer(client, kill * 100 * PAGE, 100)
            stop.set()
            for each in running_people:
                each.result()
        assert book.acknowledged.keys() == book.asked
        check(client, book)
    assert process.stop() == 0


def insist(client: Client, book: Book, lease: Any, stop: threading.Event) -> None:
    """Answer until it is acknowledged, as the outbox of a labelling page does."""
    request_id, rows = new_id(), rows_of(lease.page.rows)
    book.asked.add(request_id)
    while True:
        try:
            answer = client.submit(lease.token, said(OWL, IS, *rows), request_id=request_id)
        except Conflict:
            raise
        except ServiceError:
            stop.wait(PAUSE)
            continue
        book.acknowledge(request_id, answer.seq)
        return
