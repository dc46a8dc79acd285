"""Who is registered, and what a browser holds that proves who is before it.

HUNDREDFOLD_UI_USERS: the users file (`hundredfold users` writes it); unless set, `users.json` of
HUNDREDFOLD_STORE, if it is there. It is read again as soon as it changes. While it can't be read nobody gets in.
HUNDREDFOLD_UI_SECRET: signs what browsers hold, at least 32 characters; unless set, a random one that is kept in
the store. Several replicas of the UI must have the same.
HUNDREDFOLD_UI_SESSION_HOURS: after so long without a request somebody signs in again; 12 unless set.
HUNDREDFOLD_UI_OIDC_ROLE: what somebody is for whom an OIDC provider vouches and who is not in the users file;
refused unless set.
"""

import logging
import os
import re
import secrets
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from pathlib import Path
from typing import Any

from hundredfold.chassis import people
from hundredfold.chassis.errors import (
    InvalidArgument,
    PermissionDenied,
    ServiceError,
    Unauthenticated,
)
from ui.oidc import is_configured
from ui.seal import opened, sealed
from ui.words import say

COOKIE = "hundredfold_session"
LONGEST_DAYS = 7
"""However busy he is, somebody signs in again after so long."""

_SECRET_FILE = "ui-secret"  # noqa: S105  # the name of a file
_FEWEST_CHARACTERS = 32
_RENEWED_AFTER = 0.05  # of the time that a login lasts
_TICKET_SECONDS = 60
_VARIABLES = ("UI_USERS", "UI_SECRET", "UI_SESSION_HOURS", "UI_OIDC_ROLE", "STORE")
_log = logging.getLogger("hundredfold.ui.people")


class Role(IntEnum):
    """What a person may do; each also what those before it may (as `access.proto` has it)."""

    NOBODY = 0
    VIEWER = 1
    LABELER = 2
    REVIEWER = 3
    ADMIN = 4


@dataclass(frozen=True)
class Person:
    """Somebody at a screen; `name` is empty where anybody may give himself one."""

    name: str
    role: Role

    def need(self, least: Role) -> None:
        """Raise PermissionDenied unless he may do what this role may, Unauthenticated for nobody."""
        if self.role is Role.NOBODY:
            raise Unauthenticated(say("sign_in.needed"))
        if self.role < least:
            raise PermissionDenied(say("people.needs", role=say(f"people.{least.name.lower()}")))

    def named(self, given: object) -> str:
        """The name under which he answers: his own, or where he has none the one given."""
        return self.name or str(given)


class Unreadable(ServiceError):
    """The users file can't be read, so nobody is let in; unlike Unavailable it is told as it is."""

    code = "UNAVAILABLE"
    default_reason = "USERS_UNREADABLE"


ANYBODY = Person("", Role.ADMIN)
NOBODY = Person("", Role.NOBODY)


@dataclass(frozen=True)
class Login:
    """A person who has signed in, and what his browser holds of it.

    Attributes:
        person: who.
        began: when he gave his pass phrase, in Unix seconds.
        issued: when the browser got this.
        expires: until when it counts.
        mark: of the user's state; see `people.User.mark`.
        oidc: by what a provider vouched for him; empty for a pass phrase.
    """

    person: Person
    began: float
    issued: float
    expires: float
    mark: str
    oidc: str = ""


class Registry:
    """The people of one setting of the variables. Thread-safe."""

    def __init__(self, environ: Mapping[str, str], *, oidc: bool) -> None:
        """Take the setting.

        Raises:
            InvalidArgument: a variable has a value that can't be.
        """
        self.oidc = oidc
        self.hours = _hours(environ.get("HUNDREDFOLD_UI_SESSION_HOURS", ""))
        self._role = environ.get("HUNDREDFOLD_UI_OIDC_ROLE", "")
        if self._role:
            people.check_role(self._role)
        store = environ.get("HUNDREDFOLD_STORE", "")
        self._store = Path(store) if store and "://" not in store else None
        named = environ.get("HUNDREDFOLD_UI_USERS", "")
        self._must_be_there = bool(named)
        self._path = Path(named) if named else self._store and self._store / people.FILE_NAME
        self._given_secret = environ.get("HUNDREDFOLD_UI_SECRET", "")
        if 0 < len(self._given_secret) < _FEWEST_CHARACTERS:
            raise InvalidArgument(
                f"HUNDREDFOLD_UI_SECRET has fewer than {_FEWEST_CHARACTERS} characters: "
                "`openssl rand -hex 32` makes one",
                field="HUNDREDFOLD_UI_SECRET",
            )
        self._lock = threading.Lock()
        self._key = b""
        self._version: object = None
        self._told = False
        self._users = people.Users()

    # --- who is registered

    @property
    def is_open(self) -> bool:
        """Whether whoever reaches the UI may do all: nobody is registered."""
        try:
            return not self.oidc and self._stamp() is None
        except OSError:
            return False

    def users(self) -> people.Users:
        """Those who are registered now.

        Raises:
            Unreadable: the file can't be read, so nobody is let in.
        """
        try:
            version = self._stamp()
            with self._lock:
                if version != self._version:
                    self._users = (
                        people.read(self._path) if self._path and version else people.Users()
                    )
                    self._version = version
                self._told = False
                return self._users
        except (OSError, ServiceError) as error:
            if not self._told:
                _log.error("nobody is let in: %s can't be read: %s", self._path, error)
            self._version, self._told = None, True
            raise Unreadable(say("sign_in.unreadable")) from error

    def _stamp(self) -> object:
        """The version of the file; None when there is none and need be none."""
        if self._path is None:
            return None
        try:
            stat = self._path.stat()
        except FileNotFoundError:
            if self._must_be_there:
                raise
            return None
        self._must_be_there = True  # once somebody was registered, an absent file lets nobody in
        return stat.st_mtime_ns, stat.st_size, stat.st_ino

    # --- proving who one is

    def by_passphrase(self, name: str, words: str) -> people.User:
        """The user of a name, if these are his words; takes as long for a name that nobody has.

        Raises:
            Unauthenticated: they are not, or there is none.
            Unreadable: the file can't be read.
        """
        user = self.users().named(name)
        kept = user.passphrase if user else None
        right = (kept or people.NO_PASSPHRASE).is_of(words)
        if user is None or kept is None or not right:
            raise Unauthenticated(say("sign_in.wrong"), reason="WRONG")
        return user

    def by_oidc(self, subjects: Sequence[str]) -> people.User:
        """The user whom a provider vouches for by one of these, the best known first.

        Raises:
            PermissionDenied: he is not registered, and there is no role for such people.
            Unreadable: the file can't be read.
        """
        known = self.users().vouched_for(subjects)
        if known:
            return known
        guest = self._guest(next(iter(subjects), ""))
        if guest is None:
            raise PermissionDenied(say("sign_in.unknown", subject=next(iter(subjects), "?")))
        return guest

    def _guest(self, subject: str) -> people.User | None:
        """Somebody who is in no file, under his mail address or subject; not under another's name."""
        try:
            people.check_name(subject)
        except InvalidArgument:
            return None
        if not self._role or not self.oidc or self.users().named(subject):
            return None
        return people.User(subject, self._role, None, subject)

    # --- what the browser holds

    def issue(self, user: people.User, *, oidc: str = "", began: float = 0.0) -> Login:
        """A login that begins now, or goes on."""
        now = time.time()
        end = min(now + 3_600 * self.hours, (began or now) + 86_400 * LONGEST_DAYS)
        person = Person(user.name, Role[user.role.upper()])
        return Login(person, began or now, now, end, user.mark, oidc)

    def cookie(self, login: Login) -> str:
        """What the browser holds of a login."""
        value = {"n": login.person.name, "b": login.began, "i": login.issued, "e": login.expires}
        return sealed(self._secret(), "session", {**value, "m": login.mark, "o": login.oidc})

    def login(self, cookie: str) -> Login | None:
        """The login of which a browser holds this; None when it is over, or never was one."""
        held = opened(self._secret(), "session", cookie) if cookie else None
        if held is None or not held["i"] - 60 <= time.time() < held["e"]:
            return None
        return self._held(held)

    def _held(self, held: Mapping[str, Any]) -> Login | None:
        try:
            user = self.users().named(held["n"])
            if user is None and held["o"]:
                user = self._guest(held["o"])
        except Unreadable:
            return None
        if user is None or user.mark != held["m"]:
            return None  # removed, or with another role or pass phrase by now
        person = Person(user.name, Role[user.role.upper()])
        return Login(person, held["b"], held["i"], held["e"], held["m"], held["o"])

    def person(self, cookie: str) -> Person:
        """Who is before a browser that holds this."""
        if self.is_open:
            return ANYBODY
        login = self.login(cookie)
        return login.person if login else NOBODY

    def renewed(self, login: Login) -> Login | None:
        """The login prolonged, when enough of its time is over."""
        if time.time() - login.issued < _RENEWED_AFTER * 3_600 * self.hours:
            return None
        user = people.User(login.person.name, login.person.role.name.lower())
        again = self.issue(user, oidc=login.oidc, began=login.began)
        return Login(again.person, again.began, again.issued, again.expires, login.mark, login.oidc)

    def ticket(self, subject: str) -> str:
        """What the script hands to a browser that a provider vouched for: good once, and not for long."""
        value = {"o": subject, "e": time.time() + _TICKET_SECONDS, "id": secrets.token_hex(16)}
        return sealed(self._secret(), "ticket", value)

    def of_ticket(self, ticket: str) -> tuple[str, str, float] | None:
        """The subject, the id and the end of a ticket; None when its time is over or it is none."""
        held = opened(self._secret(), "ticket", ticket)
        if held is None or time.time() >= held["e"]:
            return None
        return held["o"], held["id"], held["e"]

    def _secret(self) -> bytes:
        with self._lock:
            self._key = self._key or self._given_secret.encode() or _kept_secret(self._store)
            return self._key


def _hours(given: str) -> float:
    try:
        hours = float(given or 12)
    except ValueError:
        hours = 0.0
    if not 0 < hours <= 24 * LONGEST_DAYS:
        raise InvalidArgument(
            f"HUNDREDFOLD_UI_SESSION_HOURS is {given!r}: give up to {24 * LONGEST_DAYS}",
            field="HUNDREDFOLD_UI_SESSION_HOURS",
        )
    return hours


def _kept_secret(store: Path | None) -> bytes:
    """The secret of a store, made when there is none; without a store one of this process alone."""
    try:
        if store is None:
            raise FileNotFoundError("there is no local store")
        path = store / _SECRET_FILE
        if not path.exists():
            store.mkdir(parents=True, exist_ok=True)
            people.write_private(path, secrets.token_hex(32).encode(), replace=False)
        kept = path.read_bytes().strip()
    except OSError as error:
        _log.warning("who signed in does so again after a restart: no secret is kept: %s", error)
        return secrets.token_bytes(32)
    if not re.fullmatch(rb"[0-9a-f]{64}", kept):
        raise InvalidArgument(f"{path} holds no secret: delete it", field="HUNDREDFOLD_UI_SECRET")
    return kept


def registry() -> Registry:
    """The people as the environment has them now."""
    names = [f"HUNDREDFOLD_{each}" for each in _VARIABLES]
    return _registry(
        tuple((each, os.environ.get(each, "")) for each in names), oidc=is_configured()
    )


@lru_cache(maxsize=8)
def _registry(setting: tuple[tuple[str, str], ...], *, oidc: bool) -> Registry:
    return Registry(dict(setting), oidc=oidc)
