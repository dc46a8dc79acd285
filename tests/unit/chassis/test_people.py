"""The users file: what it keeps, what it takes, and how it is written."""

import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hundredfold.chassis import people
from hundredfold.chassis.errors import AlreadyExists, InvalidArgument, NotFound
from hundredfold.chassis.people import Passphrase, User, Users

WORDS = "correct horse battery"


def cheap(words: str = WORDS) -> Passphrase:
    return Passphrase.of(words, n=16, r=1, p=1)


def document(**changes: Any) -> dict[str, Any]:
    kept = {"n": 16, "r": 1, "p": 1, "salt": "AAAAAAAAAAAAAAAAAAAAAA==", "hash": 43 * "A" + "="}
    return {"name": "ada", "role": "labeler", "passphrase": kept} | changes


def parsed(*users: Any) -> Users:
    return people.parsed(json.dumps({"version": 1, "users": users}).encode())


class TestPassphrase:
    def test_only_the_same_words_are_known_again(self) -> None:
        kept = cheap()
        assert kept.is_of(WORDS)
        assert not any(map(kept.is_of, ["", WORDS.upper(), WORDS + " ", WORDS[:-1], "\ud800"]))

    def test_two_of_the_same_words_have_nothing_in_common(self) -> None:
        one, other = cheap(), cheap()
        assert (one.salt, one.hash) != (other.salt, other.hash)

    def test_the_usual_costs_are_those_that_owasp_asks_for(self) -> None:
        kept = Passphrase.of(WORDS)
        assert (kept.n, kept.r, kept.p, len(kept.salt)) == (1 << 15, 8, 3, 16)
        assert not people.NO_PASSPHRASE.is_of(WORDS)

    def test_two_ways_to_write_a_letter_are_one(self) -> None:
        assert cheap("caf\u00e9 au lait").is_of("cafe\u0301 au lait")

    @pytest.mark.parametrize("words", ["", "too short", 12 * "a", 1_001 * "ab"])
    def test_short_long_and_dull_ones_are_refused_in_words(self, words: str) -> None:
        with pytest.raises(InvalidArgument, match="10 to 1,000 characters"):
            Passphrase.of(words)


class TestUsers:
    def test_a_name_is_found_in_any_spelling_and_is_there_once(self) -> None:
        users = Users((User("Ada", "labeler", cheap()),))
        assert users.named(" aDA ") is users.users[0]
        with pytest.raises(AlreadyExists):
            users.with_user(User("ADA", "viewer", cheap()))

    def test_an_oidc_subject_is_one_persons(self) -> None:
        users = Users((User("bo", "viewer", None, "bo@example.org"),))
        assert users.vouched_for(["", "BO@example.org"]) is users.users[0]
        assert users.vouched_for(["bo@elsewhere.org"]) is None
        with pytest.raises(AlreadyExists):
            users.with_user(User("other", "viewer", None, "Bo@example.org"))

    def test_who_is_not_there_can_not_be_changed(self) -> None:
        changes: list[Callable[[], Users]] = [
            lambda: Users().without("x"),
            lambda: Users().changed("x", "admin"),
        ]
        for change in changes:
            with pytest.raises(NotFound):
                change()

    @pytest.mark.parametrize("name", ["", " ada", "a\nb", 61 * "a", "\u202eada", "e\u0301"])
    def test_names_that_could_be_mistaken_are_refused(self, name: str) -> None:
        with pytest.raises(InvalidArgument, match="name"):
            Users((User(name, "viewer", cheap()),))

    @pytest.mark.parametrize(
        "change",
        [
            lambda users: users.changed("ada", "admin"),
            lambda users: users.changed("ada", passphrase=cheap()),
        ],
        ids=["role", "pass phrase"],
    )
    def test_every_change_of_a_user_has_another_mark(
        self, change: Callable[[Users], Users]
    ) -> None:
        before = Users((User("ada", "labeler", cheap()),))
        assert change(before).users[0].mark != before.users[0].mark
        assert before.changed("ada").users[0].mark == before.users[0].mark


class TestFile:
    def test_what_is_written_is_read_again_and_nobody_else_may_read_it(
        self, tmp_path: Path
    ) -> None:
        path = tmp_path / "store" / "users.json"
        user = User("ada", "labeler", cheap(), "ada@example.org")
        with people.changing(path) as states:
            states.append(states[-1].with_user(user))
        assert people.read(path).users == (user,)
        modes = [stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()]
        assert modes == [0o600] * 2
        assert WORDS not in path.read_text("utf-8")

    def test_a_change_that_fails_leaves_the_file_as_it_was(self, tmp_path: Path) -> None:
        path = tmp_path / "users.json"
        with people.changing(path) as states:
            states.append(Users((User("ada", "labeler", cheap()),)))
        before = path.read_bytes()
        with pytest.raises(NotFound), people.changing(path) as states:
            states.append(states[-1].without("bo"))
        assert path.read_bytes() == before
        assert {each.name for each in tmp_path.iterdir()} == {"users.json", "users.json.lock"}

    def test_one_that_is_there_can_be_kept(self, tmp_path: Path) -> None:
        path = tmp_path / "secret"
        for data in (b"first", b"second"):
            people.write_private(path, data, replace=False)
        assert path.read_bytes() == b"first"
        assert list(tmp_path.iterdir()) == [path]

    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"{",
            b"[]",
            b"7",
            b"{}",
            b'{"version": 2, "users": []}',
            b'{"version": 1}',
            b"[" * 9_999,
        ],
    )
    def test_what_is_no_users_file_is_refused(self, data: bytes) -> None:
        with pytest.raises(InvalidArgument, match="no list of people"):
            people.parsed(data)

    @pytest.mark.parametrize(
        "entry",
        [
            7,
            {},
            document(name=7),
            document(role="god"),
            document(oidc=None),
            document(passphrase=None),
            document(passphrase={}),
            *(
                document(passphrase=document()["passphrase"] | changes)
                for changes in (
                    {"n": 15},
                    {"n": 1},
                    {"n": True},
                    {"n": 1 << 40},
                    {"r": 1 << 30},
                    {"p": 99},
                    {"salt": ""},
                    {"hash": "é"},
                    {"hash": "AAAA"},
                )
            ),
        ],
        ids=repr,
    )
    def test_an_entry_that_is_none_is_refused_as_a_whole(self, entry: Any) -> None:
        assert parsed(document()).named("ada")
        with pytest.raises(InvalidArgument):
            parsed(entry)

    def test_somebody_who_is_there_twice_is_refused(self) -> None:
        with pytest.raises(InvalidArgument, match="already"):
            parsed(document(), document(name="ADA"))

    def test_ten_thousand_people_are_read_quickly(self) -> None:
        everybody = [document(name=f"p{number}") for number in range(10_000)]
        assert parsed(*everybody).named("p9999")
        with pytest.raises(InvalidArgument, match="at most"):
            parsed(*everybody, document())
