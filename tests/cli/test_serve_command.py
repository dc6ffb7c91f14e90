"""``cds serve`` with something wrong ends before it listens: a sentence, exit code 2, no traceback."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import cds

KEY = 'ledger_key = "0123456789abcdef-of-the-serve-tests"\n'


def written(folder: Path, text: str) -> Path:
    path = folder / "cds.toml"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    path.write_text(f'data_dir = "{folder}"\nport = {port}\n{text}', encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("prot = 2\n", "CDS-101: {path}: 'prot' is not a setting; did you mean 'port'?"),
        ("workers = 0\n", "workers: Input should be greater than or equal to 1"),
        ("threads = [\n", "not valid TOML"),
        ('timezone = "Europe/Amsterdan"\n', "timezone: 'Europe/Amsterdan' is not a time zone"),
        ('[clients.a]\nissuer = "x"\n', "give exactly one of 'jwks', 'jwks_file' or 'jku'"),
        ('[clients.a]\nauthentication = "loopback"\n', 'which only environment = "demo" allows'),
    ],
)
def test_wrong_settings_are_told_by_key(tmp_path: Path, text: str, told: str) -> None:
    path = written(tmp_path, text)
    result = cds("serve", settings=path)
    assert result.exit_code == 2
    assert isinstance(result.exception, SystemExit)
    assert told.format(path=path) in result.stderr


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "CDS-101: no ledger key"),
        (KEY + 'policy_file = "/nowhere"\n', "CDS-102: /nowhere: the policy can't be read"),
        (KEY + 'model_dirs = ["/nowhere"]\n', "CDS-103: models folder /nowhere does not exist"),
        (KEY + 'database_url = "nonsense"\n', "CDS-101"),
    ],
)
def test_what_is_wrong_beyond_the_settings_ends_the_process_with_a_sentence(
    tmp_path: Path, text: str, told: str
) -> None:
    command = [sys.executable, "-m", "cds", "--settings", str(written(tmp_path, text)), "serve"]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("CDS_")}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert "Traceback" not in done.stderr, done.stderr[-1500:]
    assert done.returncode == 2, done.stderr
    assert told in done.stderr


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('host = "192.0.2.1"\n', "can't be listened on: no address of this machine; set 'host'"),
        ('host = "no-such-host.invalid"\n', "can't be listened on: the name is not known here"),
    ],
)
def test_an_address_that_is_not_to_be_had_ends_it_before_anything_is_made(tmp_path: Path, text: str, told: str) -> None:
    command = [sys.executable, "-m", "cds", "--settings", str(written(tmp_path, KEY + text)), "serve"]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("CDS_")}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert "Traceback" not in done.stderr, done.stderr[-1500:]
    assert done.returncode == 2 and told in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["cds.toml"]
