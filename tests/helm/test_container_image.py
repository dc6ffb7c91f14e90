"""The Dockerfile: what is built, from what, as whom. Building it needs an engine; this needs none."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
import sysconfig
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from dockerfile_parse import DockerfileParser  # type: ignore[import-untyped]

from cds.settings import load

pytestmark = pytest.mark.system

ROOT = Path(__file__).parents[2]


def instructions() -> list[tuple[str, str]]:
    return [(step["instruction"], step["value"]) for step in parsed().structure if step["instruction"] != "COMMENT"]


def parsed() -> Any:
    return DockerfileParser(fileobj=io.BytesIO((ROOT / "Dockerfile").read_bytes()))


def final_stage() -> list[tuple[str, str]]:
    steps = instructions()
    start = max(number for number, (name, _) in enumerate(steps) if name == "FROM")
    return steps[start:]


def value_of(name: str) -> str:
    (found,) = [value for instruction, value in final_stage() if instruction == name]
    return found


def copied() -> set[str]:
    """What the build takes from the repository."""
    sources: set[str] = set()
    for name, value in instructions():
        if name == "COPY" and not value.startswith("--from"):
            sources |= set(value.split()[:-1])
    return sources


def test_hadolint_finds_nothing() -> None:
    hadolint = Path(sysconfig.get_path("scripts")) / "hadolint"
    done = subprocess.run([hadolint, ROOT / "Dockerfile"], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout


def test_both_stages_stand_on_one_pinned_python() -> None:
    parents = parsed().parent_images
    assert len(parents) == 2
    assert len(set(parents)) == 1
    assert re.fullmatch(r"python:3\.11\.\d+-slim-[a-z]+", parents[0])


def test_it_runs_as_the_user_the_chart_names_and_never_as_root() -> None:
    values = yaml.safe_load((ROOT / "helm" / "values.yaml").read_text(encoding="utf-8"))
    user, group = value_of("USER").split(":")
    assert (int(user), int(group)) == (values["runAs"]["user"], values["runAs"]["group"])
    assert int(user) >= 10_000


def test_telemetry_is_off_and_the_settings_in_the_environment_are_real_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    environment = parsed().envs
    assert environment["ORT_DISABLE_TELEMETRY"] == "1"
    assert environment["PYTHONUNBUFFERED"] == "1"
    assert environment["PYTHONDONTWRITEBYTECODE"] == "1"
    for name, value in environment.items():
        if name.startswith("CDS_"):
            monkeypatch.setenv(name, value)
    settings = load(None)
    assert settings.host == "0.0.0.0"
    assert str(settings.port) == value_of("EXPOSE")
    assert str(settings.data_dir) == value_of("VOLUME") == value_of("WORKDIR")


def test_it_serves_and_the_chart_starts_it_the_same_way() -> None:
    assert [*json.loads(value_of("ENTRYPOINT")), *json.loads(value_of("CMD"))] == ["cds", "serve"]


def test_no_build_tools_ship() -> None:
    commands = " ".join(value for name, value in final_stage() if name == "RUN")
    assert "pip uninstall" in commands
    assert "install -r" not in commands
    assert "apt-get" not in commands
    assert any(name == "RUN" and "venv --without-pip" in value for name, value in instructions())


def test_what_the_build_needs_is_copied_and_not_ignored() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = {"pyproject.toml", project["project"]["readme"], *wheel["packages"], *wheel["force-include"]}
    assert needed == copied()
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in ignored if line and not line.startswith("#")]
    assert rules[0] == "*"
    assert {rule.removeprefix("!") for rule in rules if rule.startswith("!")} == copied()
    assert all((ROOT / source).exists() for source in copied())


@pytest.mark.parametrize(("status", "healthy"), [(200, True), (500, False)])
def test_its_health_check_asks_health(probed: Callable[[int], Any], status: int, healthy: bool) -> None:
    command = json.loads(re.sub(r"^.*?CMD\s*", "", value_of("HEALTHCHECK")))
    with probed(status) as server:
        environment = {"CDS_PORT": str(server.port), "http_proxy": "http://127.0.0.1:9"}
        done = subprocess.run([sys.executable, *command[1:]], env=environment, capture_output=True, check=False)
    assert (done.returncode == 0) is healthy, done.stderr
    assert server.paths == ["/health"]
