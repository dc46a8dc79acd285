"""Whether people sign in through an OIDC provider, and whom it vouches for."""

from collections.abc import Mapping
from functools import cache

from streamlit.auth_util import get_secrets_auth_section


@cache
def is_configured() -> bool:
    """Whether Streamlit's secrets have an `[auth]` section; they are read once."""
    return bool(get_secrets_auth_section())


def provider() -> str | None:
    """The provider to go to: the one in `[auth]` itself (None), else the first that has a section there."""
    section = get_secrets_auth_section()
    named = [name for name, each in section.items() if hasattr(each, "keys")]
    return named[0] if named and "client_id" not in section else None


def subjects(told: Mapping[str, object]) -> list[str]:
    """By what a provider names somebody, best known first: his mail address, if it is his, and his subject."""
    mail, subject = told.get("email"), told.get("sub")
    named = [str(mail)] if mail and told.get("email_verified") is not False else []
    return [*named, *([str(subject)] if subject else [])]
