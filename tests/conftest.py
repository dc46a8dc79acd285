"""What holds for all tests."""

import pytest
from hypothesis import settings

# How long an example takes says how busy the machine is, not whether the code is right. The examples are the
# same in every run: a change is judged by what it changes. `pytest --hypothesis-profile=others` looks for others.
settings.register_profile("hundredfold", deadline=None, derandomize=True)
settings.register_profile("others", deadline=None)
settings.load_profile("hundredfold")


@pytest.fixture
def no_writer_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody replaces artifacts meanwhile, so what is not as it must be is damaged at once."""
    monkeypatch.setattr("hundredfold.chassis.storage.manifest._SETTLE_SECONDS", 0)
