"""What `hundredfold up` tells the services it starts."""

from pathlib import Path

import pytest

from hundredfold.cli.up import _environ


def test_services_listen_where_their_callers_look_for_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUNDREDFOLD_LABELS_ADDRESS", "127.0.0.1:7999")
    environ = _environ(tmp_path, 7101, [], tmp_path / "socket")
    assert environ["HUNDREDFOLD_LABELS_BIND"] == "127.0.0.1:7999"
    assert environ["HUNDREDFOLD_CATALOG_BIND"] == environ["HUNDREDFOLD_CATALOG_ADDRESS"]
