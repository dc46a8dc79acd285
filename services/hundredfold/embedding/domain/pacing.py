"""How many images a call of a backend should bring, and how many calls should be under way at once.

Within this process the best is known. Of a server elsewhere nobody knows whether a processor, a GPU or ten of
them answer, so it is found out by trying: hill climbing on the measured throughput, where a trial takes turns
with what it would replace (after Hellerstein, Morrison and Eilebrecht, "Applying control theory in the real world:
experience with building a controller for the .NET thread pool", 2009), halved at once when the server refuses
(Chiu and Jain, 1989), within a bound on what a call may take (Crankshaw et al., "Clipper", NSDI 2017).
Throughput follows from the calls under way and the time each takes (Little's law), so pauses between calls, and
callers who have less to ask than is allowed, are not taken for a slow server.
"""

import enum
import threading
from dataclasses import dataclass, replace
from typing import Protocol

_GAIN = 1.05
"""More calls or images stay when they are so many times as fast; fewer when they are no slower."""

_SHARE = 0.75
"""With fewer than this share of the allowed calls under way, the limit is not what was measured."""

_LEAST_CALLS, _LEAST_SECONDS = 8, 0.25
"""Less is no measurement: calls, also two for each that is under way, and seconds of the server."""

_PAIRS = 2
"""How often a trial has to win."""

_FIRST_REST, _LONGEST_REST = 8, 64
"""Measurements that are left in peace between trials, twice as many after each that was in vain."""


class Pace(Protocol):
    """What whoever calls a backend keeps to; it may change between two calls."""

    @property
    def images(self) -> int:
        """How many images a call should bring."""
        ...

    @property
    def calls(self) -> int:
        """How many calls should be under way at once."""
        ...

    @property
    def most_images(self) -> int:
        """What `images` never exceeds."""
        ...

    @property
    def most_calls(self) -> int:
        """What `calls` never exceeds."""
        ...


@dataclass(frozen=True)
class Setting:
    """Images a call, and calls at once: a pace that stays as it is."""

    images: int
    calls: int

    @property
    def most_images(self) -> int:
        """See `Pace`."""
        return self.images

    @property
    def most_calls(self) -> int:
        """See `Pace`."""
        return self.calls


class Outcome(enum.Enum):
    """How a call ended.

    ANSWERED. BUSY: the server refused it for now, or was late. TOO_LARGE: it takes no call of so many images.
    FAILED: anything else, which tells nothing about the pace.
    """

    ANSWERED = enum.auto()
    BUSY = enum.auto()
    TOO_LARGE = enum.auto()
    FAILED = enum.auto()


@dataclass(frozen=True)
class Begun:
    """A call under way: the setting it was begun under, by number, and calls under way with it."""

    turn: int
    in_flight: int


@dataclass(frozen=True)
class _Step:
    """A way to change a setting: factors for images and for calls, and the gain that it has to bring."""

    images: float
    calls: float
    gain: float

    def of(self, setting: Setting) -> Setting:
        return Setting(int(setting.images * self.images), int(setting.calls * self.calls))


_MORE_CALLS, _MORE_IMAGES = _Step(1, 2, _GAIN), _Step(2, 1, _GAIN)
_FEWER_IMAGES, _FEWER_CALLS = _Step(0.5, 1, 1.0), _Step(1, 0.5, 1.0)


@dataclass
class _Window:
    """What was measured of one setting: calls, their images, and the seconds that these took the server."""

    calls: int = 0
    images: int = 0
    elapsed: float = 0.0
    seconds: float = 0.0
    unused: int = 0

    def add(self, images: int, seconds: float, in_flight: float) -> None:
        self.calls += 1
        self.images += images
        self.elapsed += seconds / in_flight
        self.seconds += seconds


@dataclass(frozen=True)
class _Trial:
    """A setting that is compared with the base, `before` the base's rate just measured, `won` pairs so far."""

    step: _Step
    setting: Setting
    before: float
    won: int = 0


class Pacing:
    """A pace that is found by trying. Safe for threads; knows no clock.

    Args:
        start: what to begin with.
        most: what is never exceeded.
        longest_seconds: calls that take longer are made fewer or smaller, and none is tried that would.
        least: what it only goes below when the server can't do more, for less saves nothing: while one call is
            at work another one should be on its way.
    """

    def __init__(
        self,
        start: Setting,
        most: Setting,
        longest_seconds: float,
        least: Setting = Setting(images=8, calls=2),
    ) -> None:
        self._base = self._now = start
        self._most = most
        self._least = least
        self._longest = longest_seconds
        self._lock = threading.Lock()
        self._turn = 0
        self._in_flight = 0
        self._skip = 0
        self._window = _Window()
        self._trial: _Trial | None = None
        self._steps = [_MORE_CALLS, _MORE_IMAGES, _FEWER_IMAGES, _FEWER_CALLS]
        self._in_vain = 0
        self._rest = 0
        self._next_rest = _FIRST_REST

    @property
    def images(self) -> int:
        """See `Pace`."""
        return self._now.images

    @property
    def calls(self) -> int:
        """See `Pace`."""
        return self._now.calls

    @property
    def most_images(self) -> int:
        """See `Pace`."""
        return self._most.images

    @property
    def most_calls(self) -> int:
        """See `Pace`."""
        return self._most.calls

    @property
    def settled(self) -> Setting:
        """The best that was found so far; what is tried just now may be another."""
        return self._base

    @property
    def in_flight(self) -> int:
        """Calls under way now."""
        return self._in_flight

    def begin(self) -> Begun:
        """A call begins; `ended` has to follow, however it ends."""
        with self._lock:
            self._in_flight += 1
            return Begun(self._turn, self._in_flight)

    def ended(self, begun: Begun, images: int, seconds: float, outcome: Outcome) -> None:
        """A call has ended.

        Args:
            begun: what `begin` gave.
            images: how many it brought.
            seconds: how long it took.
            outcome: how it ended.
        """
        with self._lock:
            in_flight = (begun.in_flight + self._in_flight) / 2
            self._in_flight -= 1
            if outcome is Outcome.TOO_LARGE:
                self._keep_below(images)
            elif begun.turn != self._turn:
                return  # of an earlier setting: of many refusals the first has been heeded
            elif outcome is Outcome.BUSY:
                self._yield()
            elif outcome is Outcome.ANSWERED and images == self._now.images:
                self._count(images, seconds, in_flight)

    def _count(self, images: int, seconds: float, in_flight: float) -> None:
        window, enough = self._window, max(_LEAST_CALLS, 2 * self._now.calls)
        if in_flight < _SHARE * self._now.calls:
            window.unused += 1
            if self._trial and window.unused > 2 * enough:
                self._reject()  # nobody asks for so much
        elif self._skip:
            self._skip -= 1  # it ran beside calls of the setting before
        else:
            window.add(images, seconds, in_flight)
            if window.calls >= enough and window.elapsed >= _LEAST_SECONDS:
                self._window = _Window()
                self._measured(window.images / window.elapsed, window.seconds / window.calls)

    def _measured(self, rate: float, seconds: float) -> None:
        """Go on from a whole measurement: images a second, and the mean seconds of a call."""
        if self._now is not self._base:
            self._compare(rate)
        elif seconds > self._longest and self._base != Setting(1, 1):
            self._yield()
        elif self._trial:
            self._trial = replace(self._trial, before=rate)
            self._switch(self._trial.setting)
        elif self._rest:
            self._rest -= 1
        else:
            self._try(rate)

    def _try(self, rate: float) -> None:
        for _ in self._steps:
            step = self._steps[0]
            setting = step.of(self._base)
            if self._may(step, setting, rate):
                self._trial = _Trial(step, setting, rate)
                self._switch(setting)
                return
            self._put_last()
        self._pause()

    def _may(self, step: _Step, setting: Setting, rate: float) -> bool:
        if step.gain > 1:
            fits = setting.images <= self._most.images and setting.calls <= self._most.calls
            # At worst it is no faster, and then a call takes as long as all that are under way.
            return fits and setting.images * setting.calls / rate <= self._longest
        if step is _FEWER_IMAGES:
            return setting.images >= self._least.images
        return setting.calls >= self._least.calls

    def _compare(self, rate: float) -> None:
        trial = self._trial
        if trial is None or rate < trial.before * trial.step.gain:
            self._reject()
        elif trial.won + 1 < _PAIRS:
            self._trial = replace(trial, won=trial.won + 1)
            self._switch(self._base)
        else:  # it stays, and the same step comes again
            self._base, self._trial = self._now, None
            self._in_vain, self._next_rest = 0, _FIRST_REST

    def _reject(self) -> None:
        self._trial = None
        self._put_last()
        if self._in_vain >= len(self._steps):
            self._pause()
        self._switch(self._base)

    def _put_last(self) -> None:
        self._steps.append(self._steps.pop(0))
        self._in_vain += 1

    def _pause(self) -> None:
        self._rest = self._next_rest
        self._next_rest = min(2 * self._next_rest, _LONGEST_REST)

    def _yield(self) -> None:
        """Ask for half as much: for what was before the trial, if there is one, else for fewer calls, then images."""
        if self._now is self._base:
            step = _FEWER_CALLS if self._base.calls > 1 else _FEWER_IMAGES
            halved = step.of(self._base)
            self._base = Setting(max(1, halved.images), max(1, halved.calls))
        self._trial = None
        self._pause()
        self._switch(self._base)

    def _keep_below(self, images: int) -> None:
        """Never bring so many images again."""
        most = self._most.images
        while most >= max(images, 2):
            most //= 2
        self._most = replace(self._most, images=most)
        if max(self._now.images, self._base.images) > most:
            self._base = replace(self._base, images=min(self._base.images, most))
            self._trial = None
            self._switch(self._base)

    def _switch(self, setting: Setting) -> None:
        self._skip = max(self._now.calls, setting.calls)
        self._now = setting
        self._turn += 1
        self._window = _Window()
