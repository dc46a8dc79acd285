"""The people who may use the labelling UI: a file of names, roles, and how each proves who he is.

    {"version": 1, "users": [
        {"name": "ada", "role": "labeler", "passphrase": {"n": 32768, "r": 8, "p": 3, "salt": "...", "hash": "..."}},
        {"name": "bo", "role": "reviewer", "oidc": "bo@example.org"}]}

A pass phrase is kept as its scrypt hash (RFC 7914), with a salt and the costs of its own; `oidc` is the mail
address or the subject that a provider vouches for. `hundredfold users` writes the file.
"""

import base64
import binascii
import dataclasses
import fcntl
import hashlib
import hmac
import json
import os
import secrets
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from hundredfold.chassis.errors import AlreadyExists, InvalidArgument, NotFound

ROLES = ("viewer", "labeler", "reviewer", "admin")
"""What a person may be, each also what those before it may."""

FILE_NAME = "users.json"
"""The users file of a store, unless HUNDREDFOLD_UI_USERS names another."""

FEWEST_CHARACTERS = 10
MOST_CHARACTERS = 1_000
_MOST_NAME = 60
_MOST_USERS = 10_000
_MOST_BYTES = 16 << 20
_MOST_MEMORY = 256 << 20
_BLOCK = 128  # bytes of a block of scrypt, times r


@dataclass(frozen=True, slots=True)
class Passphrase:
    """What is kept of a pass phrase: enough to know it again, and not to find it out.

    Attributes:
        n: blocks of memory, a power of two.
        r: size of a block, in 128 bytes.
        p: how often it is done.
        salt: random.
        hash: scrypt of the pass phrase in NFKC, UTF-8.
    """

    n: int
    r: int
    p: int
    salt: bytes
    hash: bytes

    @classmethod
    def of(cls, words: str, n: int = 1 << 15, r: int = 8, p: int = 3) -> "Passphrase":
        """Hash a new pass phrase; the costs are those that OWASP asks for, 32 MiB of memory.

        Raises:
            InvalidArgument: it is too short or too long.
        """
        if not FEWEST_CHARACTERS <= len(words) <= MOST_CHARACTERS or len(set(words)) == 1:
            raise InvalidArgument(
                f"a pass phrase has {FEWEST_CHARACTERS} to {MOST_CHARACTERS:,} characters, not all "
                "the same; a few words that belong together only for you are good",
                field="passphrase",
            )
        salt = secrets.token_bytes(16)
        return cls(n, r, p, salt, _scrypt(words, salt, n, r, p))

    def is_of(self, words: str) -> bool:
        """Whether these are the words; takes the same time for all."""
        return hmac.compare_digest(
            self.hash, _scrypt(words[:MOST_CHARACTERS], self.salt, self.n, self.r, self.p)
        )


NO_PASSPHRASE = Passphrase(1 << 15, 8, 3, bytes(16), bytes(32))
"""The hash of no words: for names that nobody has, so that asking for one takes as long."""


def _scrypt(words: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    said = unicodedata.normalize("NFKC", words).encode("utf-8", "surrogatepass")
    return hashlib.scrypt(said, salt=salt, n=n, r=r, p=p, maxmem=_MOST_MEMORY, dklen=32)


@dataclass(frozen=True, slots=True)
class User:
    """One of the people: by a pass phrase, by what an OIDC provider says, or both."""

    name: str
    role: str
    passphrase: Passphrase | None = None
    oidc: str = ""

    @property
    def mark(self) -> str:
        """Tells this state of him from every other: another role or pass phrase has another mark."""
        return hashlib.sha256(json.dumps(_document(self)).encode()).hexdigest()[:32]


@dataclass(frozen=True)
class Users:
    """All the people of a file; making one raises InvalidArgument or AlreadyExists where they can't be together."""

    users: tuple[User, ...] = ()

    def __post_init__(self) -> None:
        if len(self.users) > _MOST_USERS:
            raise InvalidArgument(f"a file holds at most {_MOST_USERS:,} people", field="name")
        for each in self.users:
            check_name(each.name)
            check_role(each.role)
        _check_different([each.name for each in self.users])
        _check_different([each.oidc for each in self.users if each.oidc])

    def named(self, name: str) -> User | None:
        """The one of a name, in capitals or not."""
        return self._by_name.get(same_name(name))

    def vouched_for(self, subjects: Sequence[str]) -> User | None:
        """The one whom an OIDC provider means by one of these mail addresses or subjects."""
        found = (self._by_subject.get(same_name(each)) for each in subjects if each)
        return next(filter(None, found), None)

    @cached_property
    def _by_name(self) -> Mapping[str, User]:
        return {same_name(each.name): each for each in self.users}

    @cached_property
    def _by_subject(self) -> Mapping[str, User]:
        return {same_name(each.oidc): each for each in self.users if each.oidc}

    def with_user(self, user: User) -> "Users":
        """With one more."""
        return Users((*self.users, user))

    def without(self, name: str) -> "Users":
        """Without one; NotFound."""
        gone = self._known(name)
        return Users(tuple(each for each in self.users if each is not gone))

    def changed(self, name: str, role: str = "", passphrase: Passphrase | None = None) -> "Users":
        """With another role or pass phrase of one; NotFound."""
        old = self._known(name)
        new = dataclasses.replace(
            old, role=role or old.role, passphrase=passphrase or old.passphrase
        )
        return Users(tuple(new if each is old else each for each in self.users))

    def _known(self, name: str) -> User:
        found = self.named(name)
        if found is None:
            raise NotFound(f"nobody is registered as {name}", field="name")
        return found


def check_name(name: str) -> None:
    """Raise InvalidArgument unless a person may be called so: it goes into the ledger."""
    fine = 0 < len(name) <= _MOST_NAME and name.isprintable() and name == name.strip()
    if not fine or name != unicodedata.normalize("NFC", name):
        raise InvalidArgument(
            f"a name has 1 to {_MOST_NAME} printable characters and no space around it",
            field="name",
        )


def check_role(role: str) -> None:
    """Raise InvalidArgument unless there is such a role."""
    if role not in ROLES:
        raise InvalidArgument(
            f"there is no role {role!r}: give one of {', '.join(ROLES)}", field="role"
        )


def _check_different(names: Sequence[str]) -> None:
    seen: set[str] = set()
    for each in names:
        if same_name(each) in seen:
            raise AlreadyExists(f"{each} is registered already", field="name")
        seen.add(same_name(each))


def same_name(name: str) -> str:
    """The form in which two spellings of a name are equal."""
    return unicodedata.normalize("NFKC", name).strip().casefold()


def parsed(data: bytes) -> Users:
    """The people of a file's content.

    Raises:
        InvalidArgument: it has not the form above, or names somebody twice.
    """
    try:
        document = json.loads(data)
        return _users(document)
    except AlreadyExists as error:
        raise InvalidArgument(error.message, field="users") from error
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise InvalidArgument(f"it is no list of people: {error!r:.200}", field="users") from error


def _users(document: Mapping[str, Any]) -> Users:
    if document["version"] != 1:
        raise ValueError("its version is not 1")
    return Users(tuple(_user(each, number) for number, each in enumerate(document["users"])))


def _user(given: Mapping[str, Any], number: int) -> User:
    name, role, oidc = given["name"], given["role"], given.get("oidc", "")
    if not (isinstance(name, str) and isinstance(role, str) and isinstance(oidc, str)):
        raise TypeError(f"name, role and oidc of entry {number} must be texts")
    kept = given.get("passphrase")
    if kept is None and not oidc:
        raise ValueError(f"{name!r} has neither a pass phrase nor an OIDC subject")
    return User(name, role, _passphrase(kept) if kept is not None else None, oidc)


def _passphrase(given: Mapping[str, Any]) -> Passphrase:
    n, r, p = (given[each] for each in "nrp")
    if not all(type(each) is int and each > 0 for each in (n, r, p)):
        raise TypeError("n, r and p must be whole numbers")
    if n < 2 or n & (n - 1) or p > 16 or _BLOCK * r * (n + p) > _MOST_MEMORY // 2:
        raise ValueError("n, r and p are none that scrypt takes here")
    try:
        salt, kept = (base64.b64decode(given[each], validate=True) for each in ("salt", "hash"))
    except binascii.Error as error:
        raise ValueError("salt or hash is not base64") from error
    if len(salt) < 16 or len(kept) != 32:
        raise ValueError("salt or hash is too short")
    return Passphrase(n, r, p, salt, kept)


def _document(user: User) -> dict[str, Any]:
    made: dict[str, Any] = {"name": user.name, "role": user.role}
    if user.oidc:
        made["oidc"] = user.oidc
    if user.passphrase is not None:
        kept = user.passphrase
        made["passphrase"] = {"n": kept.n, "r": kept.r, "p": kept.p} | {
            "salt": base64.b64encode(kept.salt).decode(),
            "hash": base64.b64encode(kept.hash).decode(),
        }
    return made


def read(path: Path) -> Users:
    """The people of a file.

    Raises:
        OSError: it can't be read.
        InvalidArgument: it is no users file.
    """
    with path.open("rb") as file:
        data = file.read(_MOST_BYTES + 1)
    if len(data) > _MOST_BYTES:
        raise InvalidArgument(f"it is larger than {_MOST_BYTES:,} bytes", field="users")
    return parsed(data)


@contextmanager
def changing(path: Path) -> Iterator[list[Users]]:
    """The people of a file, in a list whose last item is written when the block ends; one writer at a time.

    The file is replaced as a whole and only its owner may read it. An absent one is an empty one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with private(path.with_name(f"{path.name}.lock")) as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        states = [read(path) if path.exists() else Users()]
        yield states
        document = {"version": 1, "users": [_document(each) for each in states[-1].users]}
        write_private(path, json.dumps(document, indent=1).encode())


@contextmanager
def private(path: Path) -> Iterator[int]:
    """A file that only its owner may read, opened for writing."""
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        yield file
    finally:
        os.close(file)


def write_private(path: Path, data: bytes, *, replace: bool = True) -> None:
    """Write a file at once that only its owner may read; it is on disk then.

    One that is there already is replaced, or else stays as it is.
    """
    new = path.with_name(f".{path.name}.{secrets.token_hex(6)}.new")
    try:
        with private(new) as file:
            with os.fdopen(file, "wb", closefd=False) as out:
                out.write(data)
            os.fsync(file)
        if replace:
            new.replace(path)
        else:
            with suppress(FileExistsError):
                path.hardlink_to(new)
    finally:
        new.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
