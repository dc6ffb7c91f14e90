"""Clients with real keys, and a server of key sets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwks_server
import pytest
from jwks_server import JwksServer
from service import Keys
from signing_hospital import PUBLIC, Hospital, MakeSettings

from cds.settings import Settings, load


@pytest.fixture
def make_settings(tmp_path: Path) -> MakeSettings:
    """Settings from nothing but what the test gives: no file, no environment of this machine."""

    def make(**given: Any) -> Settings:
        empty = tmp_path / "cds.toml"
        empty.touch()
        return load(empty, **{"public_url": PUBLIC, **given})

    return make


@pytest.fixture
def jwks() -> Iterator[JwksServer]:
    with jwks_server.running() as server:
        yield server


@pytest.fixture
def hospital(make_settings: MakeSettings, client_keys: Keys) -> Hospital:
    return Hospital(make_settings, client_keys)
