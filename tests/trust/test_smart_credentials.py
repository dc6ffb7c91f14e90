"""The app proves who it is as the hospital registered it: by a secret, by a key, or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import ECKey, RSAKey
from smart_house import MakeHouse

from cds.demo import authorization_grants as grants
from cds.errors import SettingsError


def key_file(folder: Path, key: RSAKey | ECKey) -> Path:
    path = folder / "key.pem"
    path.write_bytes(key.as_pem(private=True))
    return path


@pytest.mark.parametrize("key", [RSAKey.generate_key(2048), ECKey.generate_key("P-384")], ids=["RS384", "ES384"])
def test_a_key_opens_and_another_key_does_not(make_house: MakeHouse, tmp_path: Path, key: RSAKey | ECKey) -> None:
    jwks = {"keys": [{**key.as_dict(private=False), "kid": "k1"}]}
    smart: dict[str, Any] = {"key_file": str(key_file(tmp_path, key)), "key_id": "k1"}
    house = make_house(smart=smart, registered={"jwks": jwks})
    assert house.opened("new-diabetes").ok
    other = RSAKey.generate_key(2048) if isinstance(key, RSAKey) else ECKey.generate_key("P-384")
    key_file(tmp_path, other)
    assert house.opened("new-diabetes").status_code == 502


def test_an_assertion_lives_less_than_five_minutes(
    make_house: MakeHouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = ECKey.generate_key("P-384")
    house = make_house(
        smart={"key_file": str(key_file(tmp_path, key)), "key_id": "k1"},
        registered={"jwks": {"keys": [{**key.as_dict(private=False), "kid": "k1"}]}},
    )
    monkeypatch.setattr(grants, "_LONGEST_S", 240)
    assert house.opened("new-diabetes").ok
    monkeypatch.setattr(grants, "_LONGEST_S", 239)
    assert house.opened("new-diabetes").status_code == 502


def test_a_secret_opens_and_another_does_not(make_house: MakeHouse, tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("s3cret with: % and ü\n", encoding="utf-8")
    house = make_house(smart={"secret_file": str(path)}, registered={"secret": "s3cret with: % and ü"})
    assert house.opened("new-diabetes").ok
    path.write_text("another", encoding="utf-8")
    assert house.opened("new-diabetes").status_code == 502
    path.unlink()
    assert house.opened("new-diabetes").status_code == 502


def test_an_app_that_has_a_secret_is_not_believed_without(make_house: MakeHouse) -> None:
    assert make_house(registered={"secret": "s"}).opened("new-diabetes").status_code == 502


@pytest.mark.parametrize(
    ("smart", "said"),
    [
        ({"secret_file": "/nowhere/secret"}, "secret_file can't be read"),
        ({"key_file": "/nowhere/key"}, "key_file can't be read"),
        ({"key_file": __file__}, "holds no private key"),
    ],
)
def test_a_file_that_cannot_be_used_stops_the_start(make_house: MakeHouse, smart: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        make_house(smart=smart)


def test_a_public_key_and_a_weaker_curve_stop_the_start(make_house: MakeHouse, tmp_path: Path) -> None:
    for content in (
        ECKey.generate_key("P-384").as_pem(private=False),
        RSAKey.generate_key(2048).as_pem(private=False),
        ECKey.generate_key("P-256").as_pem(private=True),
    ):
        path = tmp_path / "key.pem"
        path.write_bytes(content)
        with pytest.raises(SettingsError, match="holds no private key"):
            make_house(smart={"key_file": str(path)})
