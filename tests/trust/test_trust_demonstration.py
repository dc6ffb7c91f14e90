"""A client without a JWT exists in a demonstration on this machine, and nowhere else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from signing_hospital import MakeSettings

from cds.errors import SettingsError
from cds.settings import load
from cds.trust import sender

LOOPBACK = {"demo": {"authentication": "loopback"}}


@pytest.mark.threat("loopback-proxy")
def test_outside_a_demonstration_it_is_a_settings_error(make_settings: MakeSettings) -> None:
    for environment in ({}, {"environment": "production"}):
        with pytest.raises(SettingsError, match='only environment = "demo" allows'):
            make_settings(clients=LOOPBACK, **environment)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "cds.hospital.example", "", "127.0.0.1.evil.example"])
@pytest.mark.threat("loopback-proxy")
def test_on_an_address_that_others_reach_it_is_a_settings_error(make_settings: MakeSettings, host: str) -> None:
    with pytest.raises(SettingsError, match=r"'host' must be 127\.0\.0\.1"):
        make_settings(clients=LOOPBACK, environment="demo", host=host)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_on_this_machine_a_demonstration_may_have_one(make_settings: MakeSettings, host: str) -> None:
    assert make_settings(clients=LOOPBACK, environment="demo", host=host).clients["demo"].issuer is None


@pytest.mark.parametrize(
    "environment",
    [{"CDS_ENVIRONMENT": "production"}, {"CDS_HOST": "0.0.0.0"}, {"CDS_CLIENTS__X__AUTHENTICATION": "none"}],
)
def test_the_environment_opens_no_way_around(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "cds.toml").touch()
    with pytest.raises(SettingsError):
        load(tmp_path / "cds.toml", environment="demo", clients=LOOPBACK)


@pytest.mark.parametrize(
    ("headers", "address"),
    [
        ([], "127.0.0.1"),
        (["Host", "Accept", "X-Request-ID", "Origin"], "127.0.0.1"),
        (["X-Forwarded-For"], ""),
        (["x-forwarded-for"], ""),
        (["FORWARDED"], ""),
        (["Host", "X-Real-Ip"], ""),
        (["via"], ""),
    ],
)
@pytest.mark.threat("loopback-proxy")
def test_a_call_that_a_proxy_passed_on_has_no_address(headers: list[str], address: Any) -> None:
    assert sender("127.0.0.1", headers) == address
    assert sender(None, headers) == ""
