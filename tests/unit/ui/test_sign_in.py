"""Who gets in: logins that a browser holds, what ends them, and how often somebody may try."""

import base64
import itertools
import json
import os
import time
from pathlib import Path

import pytest

from hundredfold.chassis import people
from hundredfold.chassis.errors import (
    InvalidArgument,
    PermissionDenied,
    ResourceExhausted,
    Unauthenticated,
)
from hundredfold.chassis.people import Passphrase, User, Users
from ui.attempts import Attempts
from ui.oidc import subjects
from ui.people import ANYBODY, NOBODY, Person, Role, as_person, person
from ui.registered import Registry, Unreadable
from ui.seal import MOST_CHARACTERS, opened, sealed

KEY = bytes(32)
WORDS = "correct horse battery"
ADA = User("ada", "labeler", Passphrase.of(WORDS, n=16, r=1, p=1))
BO = User("bo", "reviewer", None, "bo@example.org")


def write(folder: Path, *users: User) -> None:
    with people.changing(folder / people.FILE_NAME) as states:
        states.append(Users(users))


@pytest.fixture
def store(tmp_path: Path) -> Path:
    write(tmp_path, ADA, BO)
    return tmp_path


def registry(store: Path, *, oidc: bool = False, **settings: str) -> Registry:
    named = {f"HUNDREDFOLD_UI_{name.upper()}": value for name, value in settings.items()}
    return Registry({"HUNDREDFOLD_STORE": str(store), **named}, oidc=oidc)


class TestSeal:
    def test_what_was_sealed_is_opened_for_the_same_purpose_only(self) -> None:
        text = sealed(KEY, "session", {"n": 'ädä;"<b>'})
        assert opened(KEY, "session", text) == {"n": 'ädä;"<b>'}
        assert opened(KEY, "ticket", text) is None
        assert opened(b"\1" * 32, "session", text) is None

    def test_no_text_that_differs_in_one_character_is_opened(self) -> None:
        text = sealed(KEY, "session", {"n": "ada", "e": 1})
        for place, other in itertools.product(range(len(text)), "A9_-.=é"):
            if text[place] != other:
                assert opened(KEY, "session", text[:place] + other + text[place + 1 :]) is None

    @pytest.mark.parametrize(
        "text", ["", ".", "a", "a.b.c", "..", "é.é", "\0.\0", "A" * 9_999 + "."]
    )
    def test_what_was_never_sealed_is_not_opened(self, text: str) -> None:
        assert opened(KEY, "session", text) is None

    def test_what_is_too_long_is_not_looked_at(self) -> None:
        assert opened(KEY, "session", sealed(KEY, "session", {"n": MOST_CHARACTERS * "a"})) is None


class TestLogin:
    def test_it_says_who_he_is_and_as_what(self, store: Path) -> None:
        known = registry(store)
        held = known.cookie(known.issue(known.by_passphrase("ADA", WORDS)))
        assert known.person(held) == Person("ada", Role.LABELER)
        assert "ada" not in held

    def test_wrong_words_and_unknown_names_are_told_alike(self, store: Path) -> None:
        known = registry(store)
        told = set()
        for name, words in (("ada", "wrong"), ("eve", WORDS), ("bo", WORDS), ("bo", "")):
            with pytest.raises(Unauthenticated) as refused:
                known.by_passphrase(name, words)
            told.add((refused.value.message, refused.value.reason))
        assert len(told) == 1

    def test_an_unknown_name_takes_as_long_as_a_known_one(self, tmp_path: Path) -> None:
        write(tmp_path, User("ada", "labeler", Passphrase.of(WORDS)))
        known = registry(tmp_path)
        seconds = {}
        for name in ("ada", "eve"):
            begun = time.process_time()
            with pytest.raises(Unauthenticated):
                known.by_passphrase(name, "wrong words")
            seconds[name] = time.process_time() - begun
        assert 0.3 < seconds["ada"] / seconds["eve"] < 3  # a busy machine

    def test_one_that_is_over_is_nobodys(
        self, store: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        known = registry(store, session_hours="2")
        held = known.cookie(known.issue(ADA))
        now = time.time()
        for hours, who in ((1.9, Person("ada", Role.LABELER)), (2.1, NOBODY), (-1, NOBODY)):
            monkeypatch.setattr("ui.registered.time.time", lambda hours=hours: now + 3600 * hours)
            assert known.person(held) == who

    def test_use_prolongs_it_but_not_for_ever(
        self, store: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        known = registry(store)
        login = begun = known.issue(ADA)
        assert known.renewed(login) is None  # not at every request
        for hour in range(1, 24 * 8):
            monkeypatch.setattr("ui.registered.time.time", lambda at=hour: begun.began + 3600 * at)
            now = known.login(known.cookie(login))
            if now is None:
                break
            login = known.renewed(now) or now
        assert hour == 24 * 7

    @pytest.mark.parametrize(
        "after",
        [
            (BO,),
            (User("ada", "viewer", ADA.passphrase), BO),
            (User("ada", "admin", ADA.passphrase), BO),
            (User("ada", "labeler", Passphrase.of(WORDS, n=16, r=1, p=1)), BO),
        ],
        ids=["removed", "less", "more", "another pass phrase"],
    )
    def test_a_change_of_the_user_ends_it_at_once(
        self, store: Path, after: tuple[User, ...]
    ) -> None:
        known = registry(store)
        held = known.cookie(known.issue(ADA))
        write(store, *after)
        assert known.person(held) == NOBODY
        write(store, ADA, BO, User("new", "viewer", ADA.passphrase))
        assert known.person(held).name == "ada"  # what others become says nothing about him

    def test_it_is_of_the_store_that_gave_it(
        self, store: Path, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        other = tmp_path_factory.mktemp("other")
        write(other, ADA, BO)
        held = registry(other).cookie(registry(other).issue(ADA))
        assert registry(other).person(held).name == "ada"  # also after a restart
        assert registry(store).person(held) == NOBODY

    def test_its_secret_is_the_owners_alone_or_that_of_the_environment(self, store: Path) -> None:
        known = registry(store)
        known.cookie(known.issue(ADA))
        assert (store / "ui-secret").stat().st_mode & 0o777 == 0o600
        one, other = (registry(store, secret=letter * 32) for letter in "ab")
        held = one.cookie(one.issue(ADA))
        assert (one.person(held).name, other.person(held)) == ("ada", NOBODY)

    def test_a_ticket_is_no_login(self, store: Path) -> None:
        known = registry(store, oidc=True)
        ticket = known.ticket("bo@example.org")
        assert known.person(ticket) == NOBODY
        assert known.of_ticket(known.cookie(known.issue(BO))) is None


class TestUsersFile:
    def test_without_one_whoever_comes_may_do_all(self, tmp_path: Path) -> None:
        assert registry(tmp_path).person("") == ANYBODY

    def test_as_soon_as_it_is_there_nobody_is_let_in_without_a_login(self, tmp_path: Path) -> None:
        known = registry(tmp_path)
        assert known.is_open
        write(tmp_path, ADA)
        assert known.person("") == NOBODY

    def test_nobody_registered_is_not_everybody(self, tmp_path: Path) -> None:
        write(tmp_path)
        assert registry(tmp_path).person("") == NOBODY

    @pytest.mark.parametrize(
        "data", [b"", b"{", b"\xff", b'{"version": 1, "users": [{"name": 1}]}']
    )
    def test_while_it_is_broken_nobody_gets_in_and_he_is_told(
        self, store: Path, data: bytes
    ) -> None:
        known = registry(store)
        held = known.cookie(known.issue(ADA))
        path = store / people.FILE_NAME
        whole = path.read_bytes()
        path.write_bytes(data)
        assert known.person(held) == NOBODY
        with pytest.raises(Unreadable, match="the list of people can't be read"):
            known.by_passphrase("ada", WORDS)
        path.write_bytes(whole)
        assert known.person(held).name == "ada"

    def test_one_that_is_gone_does_not_open_the_door(self, store: Path) -> None:
        known = registry(store)
        assert not known.is_open
        (store / people.FILE_NAME).unlink()
        assert known.person("") == NOBODY

    def test_one_that_was_named_must_be_there(self, tmp_path: Path) -> None:
        assert registry(tmp_path, users=str(tmp_path / "none.json")).person("") == NOBODY

    @pytest.mark.parametrize(
        "settings",
        [
            {"secret": "short"},
            {"session_hours": "0"},
            {"session_hours": "nan"},
            {"session_hours": "x"},
            {"oidc_role": "god"},
        ],
        ids=str,
    )
    def test_a_setting_that_can_not_be_is_refused(self, settings: dict[str, str]) -> None:
        with pytest.raises(InvalidArgument):
            Registry(
                {f"HUNDREDFOLD_UI_{name.upper()}": each for name, each in settings.items()},
                oidc=False,
            )


class TestOidc:
    def test_a_mail_address_or_a_subject_is_found_in_the_file(self, store: Path) -> None:
        known = registry(store, oidc=True)
        told = {"email": "Bo@Example.org", "sub": "123", "email_verified": True}
        assert known.by_oidc(subjects(told)).name == "bo"

    def test_an_address_that_is_not_verified_says_nothing(self) -> None:
        assert subjects({"email": "bo@example.org", "sub": "7", "email_verified": False}) == ["7"]
        assert subjects({}) == []

    def test_who_is_unknown_is_refused_with_what_to_do(self, store: Path) -> None:
        for told in (["eve@example.org"], []):
            with pytest.raises(PermissionDenied, match="is not registered here"):
                registry(store, oidc=True).by_oidc(told)

    def test_or_gets_the_role_that_is_set_but_not_another_persons_name(self, store: Path) -> None:
        known = registry(store, oidc=True, oidc_role="viewer")
        user = known.by_oidc(["eve@example.org"])
        held = known.cookie(known.issue(user, oidc="eve@example.org"))
        assert known.person(held) == Person("eve@example.org", Role.VIEWER)
        assert registry(store, oidc=True, oidc_role="labeler").person(held) == NOBODY
        with pytest.raises(PermissionDenied):
            known.by_oidc(["ada"])

    def test_with_a_provider_nobody_gets_in_without(self, tmp_path: Path) -> None:
        assert registry(tmp_path, oidc=True).person("") == NOBODY


class TestAttempts:
    @pytest.fixture
    def clock(self) -> list[float]:
        return [0.0]

    def test_after_so_many_failures_one_waits_until_they_are_old(self, clock: list[float]) -> None:
        attempts = Attempts(3, 600, now=lambda: clock[0])
        for at in (0, 10, 20):
            clock[0] = at
            attempts.begin("ada")
        with pytest.raises(ResourceExhausted, match="in 10 minutes"):
            attempts.begin("ada")
        attempts.begin("bo")
        clock[0] = 599
        with pytest.raises(ResourceExhausted, match="in a minute"):
            attempts.begin("ada")
        clock[0] = 601
        attempts.begin("ada")

    def test_who_gets_in_begins_anew(self, clock: list[float]) -> None:
        attempts = Attempts(2, 600, now=lambda: clock[0])
        for _ in range(5):
            attempts.begin("ada")
            attempts.forgive("ada")

    def test_a_success_from_an_address_is_no_licence_for_more_failures(
        self, clock: list[float]
    ) -> None:
        attempts = Attempts(2, 600, now=lambda: clock[0])
        attempts.begin("here")
        attempts.begin("here")
        attempts.uncount("here")
        attempts.begin("here")
        with pytest.raises(ResourceExhausted):
            attempts.begin("here")

    def test_it_remembers_a_bounded_number(self) -> None:
        attempts = Attempts(2, 600)
        for number in range(10_500):
            attempts.begin(str(number))
        assert len(attempts) == 10_000


class TestPerson:
    def test_outside_of_routes_and_views_he_is_nobody_as_soon_as_people_are_registered(
        self, store: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in [each for each in os.environ if each.startswith("HUNDREDFOLD_")]:
            monkeypatch.delenv(name)
        assert person() == ANYBODY
        monkeypatch.setenv("HUNDREDFOLD_STORE", str(store))
        assert person() == NOBODY
        with as_person(Person("ada", Role.LABELER)):
            assert person().name == "ada"
        assert person() == NOBODY

    def test_each_may_do_what_those_before_him_may(self) -> None:
        roles = sorted(Role)[1:]
        for mine, least in itertools.product(roles, roles):
            if mine >= least:
                Person("x", mine).need(least)
            else:
                with pytest.raises(PermissionDenied, match="This needs the role"):
                    Person("x", mine).need(least)
        with pytest.raises(Unauthenticated):
            NOBODY.need(Role.NOBODY)


def test_what_a_browser_holds_is_no_secret_but_says_no_more_than_it_must(store: Path) -> None:
    known = registry(store)
    body = known.cookie(known.issue(ADA)).partition(".")[0]
    held = json.loads(base64.urlsafe_b64decode(body + "=="))
    assert set(held) == {"n", "b", "i", "e", "m", "o"}
