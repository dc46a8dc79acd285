"""Simulated inference servers, and callers who keep to a pace, in simulated seconds."""

import heapq
import itertools
import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from hundredfold.embedding.domain.pacing import Outcome, Pace, Pacing


@dataclass
class Server:
    """Replicas behind one address, each of which does one call after the other.

    Attributes:
        a_call: seconds of a replica for each call.
        an_image: seconds of a replica for each image.
        on_the_way: seconds that a call is on its way, while others are at work.
        replicas: how many; a call goes to the one that is free first.
        noise: a call's work takes so much longer or shorter, as the standard deviation of a logarithm.
        most_waiting: with more calls at the server the next one is refused.
        most_images: a call with more is refused.
    """

    a_call: float
    an_image: float
    on_the_way: float = 0.0
    replicas: int = 1
    noise: float = 0.0
    most_waiting: float = math.inf
    most_images: float = math.inf
    seed: int = 0
    _free_at: list[float] = field(init=False)
    _dice: np.random.Generator = field(init=False)

    def __post_init__(self) -> None:
        self._free_at = [0.0] * self.replicas
        self._dice = np.random.default_rng(self.seed)

    def call(self, now: float, images: int, in_flight: int) -> tuple[float, Outcome]:
        """When a call that begins now ends, and how."""
        if images > self.most_images:
            return now + self.on_the_way + 0.001, Outcome.TOO_LARGE
        if in_flight > self.most_waiting:
            return now + self.on_the_way + 0.001, Outcome.BUSY
        work = (self.a_call + self.an_image * images) * math.exp(self._dice.normal(0, self.noise))
        begin = max(now + self.on_the_way, heapq.heappop(self._free_at))
        heapq.heappush(self._free_at, begin + work)
        return begin + work, Outcome.ANSWERED


CPU = Server(a_call=0.002, an_image=1 / 125)
GPU = Server(a_call=0.004, an_image=1 / 8_000, on_the_way=0.01)
TEN = Server(a_call=0.01, an_image=1 / 500, on_the_way=0.01, replicas=10)


@dataclass
class Seen:
    """What became of some simulated time: images by when they were answered, and settings by when they came."""

    answered: list[tuple[float, int]] = field(default_factory=list)
    refused: int = 0
    settings: list[tuple[float, int, int]] = field(default_factory=list)
    longest: float = 0.0

    def rate(self, begin: float, end: float) -> float:
        """Images a second between two moments."""
        return sum(images for at, images in self.answered if begin <= at < end) / (end - begin)


def drive(
    pace: Pace, server: Server, seconds: float, callers: Callable[[float], float] | None = None
) -> Seen:
    """Call a server as fast as the pace allows, or with fewer calls where `callers` of a moment says so."""
    pacing = pace if isinstance(pace, Pacing) else None
    seen, under_way, order, again = Seen(), [], itertools.count(), deque[int]()
    server, now = replace(server), 0.0  # idle, whoever called it before
    while now < seconds:
        allowed = min(pace.calls, callers(now) if callers else math.inf)
        while len(under_way) < allowed:
            images = again.popleft() if again else pace.images
            begun = pacing.begin() if pacing else None
            end, outcome = server.call(now, images, len(under_way) + 1)
            heapq.heappush(under_way, (end, next(order), now, images, begun, outcome))
        begun_at = now
        now, _, begun_at, images, begun, outcome = heapq.heappop(under_way)
        if pacing:
            pacing.ended(begun, images, now - begun_at, outcome)
            setting = (pacing.settled.images, pacing.settled.calls)
            if not seen.settings or seen.settings[-1][1:] != setting:
                seen.settings.append((now, *setting))
        if outcome is Outcome.ANSWERED:
            seen.answered.append((now, images))
            seen.longest = max(seen.longest, now - begun_at)
        elif outcome is Outcome.TOO_LARGE:
            again.extend([images // 2, images - images // 2])
            seen.refused += 1
        else:
            again.append(images)
            seen.refused += 1
    return seen
