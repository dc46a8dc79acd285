from dataclasses import dataclass

import pytest

from hundredfold.chassis.config import DEFAULT_PORTS, ServerConfig, address_of, from_env
from hundredfold.chassis.errors import InvalidArgument


@dataclass(frozen=True)
class Config(ServerConfig):
    roots: tuple[str, ...] = ()
    rate: float = 1.5


def test_without_variables_the_defaults_hold_and_the_service_has_its_port():
    assert from_env(Config, "hashing", {}) == Config(bind="127.0.0.1:7102")


def test_a_variable_of_the_service_wins_over_one_of_the_system():
    environ = {"HUNDREDFOLD_STORE": "/all", "HUNDREDFOLD_HASHING_STORE": "/mine"}
    assert from_env(Config, "hashing", environ).store == "/mine"
    assert from_env(Config, "labels", environ).store == "/all"


def test_each_type_is_read():
    config = from_env(
        Config,
        "hashing",
        {
            "HUNDREDFOLD_HASHING_ROOTS": ";".join(["/a", "", "s3://b"]),
            "HUNDREDFOLD_HASHING_RATE": "0.25",
            "HUNDREDFOLD_WORKERS": "3",
            "HUNDREDFOLD_REFLECTION": "No",
        },
    )
    assert config.rate == 0.25
    assert config.workers == 3
    assert config.reflection is False
    assert config.roots[0] == "/a"


def test_an_empty_variable_sets_an_empty_value():
    environ = {"HUNDREDFOLD_TOKENS": "/tokens", "HUNDREDFOLD_HASHING_TOKENS": ""}
    assert from_env(Config, "hashing", environ).tokens == ""


@pytest.mark.parametrize(
    ("name", "value"), [("WORKERS", "many"), ("RATE", "fast"), ("REFLECTION", "maybe")]
)
def test_a_bad_value_names_its_variable(name, value):
    variable = f"HUNDREDFOLD_HASHING_{name}"
    with pytest.raises(InvalidArgument, match=value) as caught:
        from_env(Config, "hashing", {variable: value})
    assert caught.value.field == variable


def test_a_service_is_at_its_address_or_on_this_machine():
    environ = {"HUNDREDFOLD_LABELS_ADDRESS": "dns:///labels:7107"}
    assert address_of("labels", environ) == "dns:///labels:7107"
    assert address_of("index", environ) == f"127.0.0.1:{DEFAULT_PORTS['index']}"


def test_the_token_is_not_in_the_repr():
    assert "canary" not in repr(ServerConfig(token="canary"))  # noqa: S106  # is no secret
