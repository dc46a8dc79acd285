"""`hundredfold users`: who may sign in to the labelling UI, and as what."""

import os
import sys
from pathlib import Path

import click

from hundredfold.chassis import people
from hundredfold.cli import output

_MOST_BYTES = 4 * people.MOST_CHARACTERS

_store = click.option(
    "--store",
    default="hundredfold-data",
    show_default=True,
    envvar="HUNDREDFOLD_STORE",
    type=click.Path(path_type=Path),
    help="Whose users file: users.json in it, unless HUNDREDFOLD_UI_USERS names another.",
)
_role = click.Choice(people.ROLES)
_from_stdin = click.option(
    "--passphrase-stdin", is_flag=True, help="Read the pass phrase from the first line of stdin."
)


def users_file(store: Path) -> Path:
    """The file that HUNDREDFOLD_UI_USERS names, else that of the store."""
    return Path(os.environ.get("HUNDREDFOLD_UI_USERS", "") or store / people.FILE_NAME)


@click.group()
def users() -> None:
    """Who may sign in to the labelling UI, and as what.

    As soon as somebody is registered nobody gets in without signing in. A running UI takes notice of every
    change by itself: who was removed, has another role or another pass phrase is signed out at once.
    """


@users.command()
@click.argument("name")
@click.option(
    "--role", type=_role, required=True, help="Each may also do what those before it may."
)
@click.option(
    "--oidc", default="", metavar="MAIL", help="Signs in through the OIDC provider, as this."
)
@_from_stdin
@_store
def add(name: str, role: str, oidc: str, passphrase_stdin: bool, store: Path) -> None:
    """Register NAME; asks for a pass phrase unless the person signs in with --oidc only."""
    path = users_file(store)
    _known(path).with_user(people.User(name, role, None, oidc))  # refused before anybody types
    kept = None
    if passphrase_stdin or not oidc:
        kept = people.Passphrase.of(_asked(from_stdin=passphrase_stdin))
    with people.changing(path) as states:
        states.append(states[-1].with_user(people.User(name, role, kept, oidc)))
    output.say(f"{name} may sign in as {role}; the users file is {path}")


@users.command("list")
@_store
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(store: Path, as_json: bool) -> None:
    """Who is registered."""
    path = users_file(store)
    known = _known(path).users
    rows = [
        {
            "name": each.name,
            "role": each.role,
            "passphrase": each.passphrase is not None,
            "oidc": each.oidc,
        }
        for each in known
    ]

    def words() -> None:
        if not path.exists():
            output.say(
                f"Nobody is registered ({path} is not there): whoever reaches the UI may do all."
            )
        else:
            ways = [_ways(each) for each in known]
            output.table(
                ["name", "role", "signs in with"],
                [[each.name, each.role, way] for each, way in zip(known, ways, strict=True)],
            )

    output.show(rows, as_json=as_json, words=words)


def _ways(user: people.User) -> str:
    ways = ["pass phrase"] if user.passphrase else []
    return " or ".join([*ways, *([f"OIDC as {user.oidc}"] if user.oidc else [])])


@users.command()
@click.argument("name")
@_store
def remove(name: str, store: Path) -> None:
    """Take NAME out and end what he has open; his answers stay in the ledger."""
    path = users_file(store)
    _known(path).without(name)  # an absent file stays absent
    with people.changing(path) as states:
        states.append(states[-1].without(name))
    output.say(f"{name} may not sign in any more")
    if not states[-1].users:
        output.say(
            f"Nobody is registered now, so nobody gets in. Delete {path} to let everybody in."
        )


@users.command()
@click.argument("name")
@click.argument("role", type=_role)
@_store
def role(name: str, role: str, store: Path) -> None:
    """Give NAME another ROLE; he has to sign in again."""
    path = users_file(store)
    _known(path).changed(name)
    with people.changing(path) as states:
        states.append(states[-1].changed(name, role))
    output.say(f"{name} is {role} now")


@users.command()
@click.argument("name")
@_from_stdin
@_store
def passphrase(name: str, passphrase_stdin: bool, store: Path) -> None:
    """Give NAME another pass phrase; he has to sign in again."""
    path = users_file(store)
    _known(path).changed(name)  # refused before anybody types
    kept = people.Passphrase.of(_asked(from_stdin=passphrase_stdin))
    with people.changing(path) as states:
        states.append(states[-1].changed(name, passphrase=kept))
    output.say(f"{name} has another pass phrase now")


def _known(path: Path) -> people.Users:
    return people.read(path) if path.exists() else people.Users()


def _asked(*, from_stdin: bool) -> str:
    if from_stdin:
        line = sys.stdin.buffer.readline(_MOST_BYTES)
        return line.decode("utf-8", "strict").removesuffix("\n").removesuffix("\r")
    if not sys.stdin.isatty():
        raise click.UsageError(
            "there is no terminal to ask for a pass phrase: use --passphrase-stdin"
        )
    output.say(f"At least {people.FEWEST_CHARACTERS} characters; nothing is shown while you type.")
    typed: str = click.prompt("Pass phrase", hide_input=True, confirmation_prompt=True, err=True)
    return typed
