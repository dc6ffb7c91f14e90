"""The Dockerfiles: what is built, from what, as whom. Building them needs an engine; this needs none."""

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
SERVICE, GPU = "Dockerfile", "Dockerfile.cuda"

for_each = pytest.mark.parametrize("file", [SERVICE, GPU])


def instructions(file: str) -> list[tuple[str, str]]:
    return [(step["instruction"], step["value"]) for step in parsed(file).structure if step["instruction"] != "COMMENT"]


def parsed(file: str) -> Any:
    return DockerfileParser(fileobj=io.BytesIO((ROOT / file).read_bytes()))


def final_stage(file: str) -> list[tuple[str, str]]:
    steps = instructions(file)
    start = max(number for number, (name, _) in enumerate(steps) if name == "FROM")
    return steps[start:]


def value_of(file: str, name: str) -> str:
    (found,) = [value for instruction, value in final_stage(file) if instruction == name]
    return found


def extras(file: str) -> set[str]:
    (found,) = [value for name, value in instructions(file) if name == "ARG" and value.startswith("EXTRAS=")]
    return set(found.removeprefix("EXTRAS=").split(","))


def copied(file: str) -> set[str]:
    """What the build takes from the repository."""
    sources: set[str] = set()
    for name, value in instructions(file):
        if name == "COPY" and not value.startswith("--from"):
            sources |= set(value.split()[:-1])
    return sources


@for_each
def test_hadolint_finds_nothing(file: str) -> None:
    hadolint = Path(sysconfig.get_path("scripts")) / "hadolint"
    done = subprocess.run([hadolint, ROOT / file], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout


@for_each
def test_both_stages_stand_on_one_pinned_python(file: str) -> None:
    parents = parsed(file).parent_images
    assert len(parents) == 2
    assert len(set(parents)) == 1
    assert re.fullmatch(r"python:3\.11\.\d+-slim-[a-z]+", parents[0])


@for_each
def test_it_runs_as_the_user_the_chart_names_and_never_as_root(file: str) -> None:
    values = yaml.safe_load((ROOT / "helm" / "values.yaml").read_text(encoding="utf-8"))
    user, group = value_of(file, "USER").split(":")
    assert (int(user), int(group)) == (values["runAs"]["user"], values["runAs"]["group"])
    assert int(user) >= 10_000


@for_each
def test_telemetry_is_off_and_the_settings_in_the_environment_are_real_ones(
    file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = parsed(file).envs
    assert environment["ORT_DISABLE_TELEMETRY"] == "1"
    assert environment["PYTHONUNBUFFERED"] == "1"
    assert environment["PYTHONDONTWRITEBYTECODE"] == "1"
    for name, value in environment.items():
        if name.startswith("CDS_"):
            monkeypatch.setenv(name, value)
    settings = load(None)
    assert str(settings.data_dir) == value_of(file, "VOLUME") == value_of(file, "WORKDIR")
    if file == SERVICE:
        assert settings.host == "0.0.0.0"
        assert str(settings.port) == value_of(file, "EXPOSE")
    else:
        assert settings.require_gpu
        assert not [name for name, _ in final_stage(file) if name == "EXPOSE"]


def test_it_serves_and_the_gpu_build_reads_scans_as_the_chart_starts_them() -> None:
    def started(file: str) -> list[str]:
        return [*json.loads(value_of(file, "ENTRYPOINT")), *json.loads(value_of(file, "CMD"))]

    assert started(SERVICE) == ["cds", "serve"]
    assert started(GPU) == ["cds", "worker"]


def test_each_image_has_what_its_process_imports() -> None:
    offered = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    assert extras(SERVICE) | extras(GPU) <= set(offered)
    # one that reads scans needs the decoders, one that shows reports the charts, and both the hospital's database
    assert {"postgres", "imaging", "celery", "report"} <= extras(SERVICE)
    assert {"postgres", "imaging", "celery", "cuda"} <= extras(GPU)
    assert "cuda" not in extras(SERVICE)


def test_the_gpu_build_is_given_the_driver_s_compute_library() -> None:
    assert "compute" in parsed(GPU).envs["NVIDIA_DRIVER_CAPABILITIES"].split(",")


@for_each
def test_nothing_that_builds_is_fetched_but_what_is_locked(file: str) -> None:
    commands = [part.split() for name, value in instructions(file) if name == "RUN" for part in value.split("&&")]
    *locked, wheel, ours = [words for words in commands if "pip" in words and "uninstall" not in words]
    for words, lock in zip(locked, ("requirements.lock", "requirements-build.lock"), strict=True):
        assert "--require-hashes" in words and words[-1] == lock
    # else pip would fetch the newest build backend there is, into an environment of its own
    assert {"--no-build-isolation", "--no-deps"} <= set(wheel) and wheel[-1] == "."
    assert ours[-1].strip('"') == "/wheel/*.whl)[${EXTRAS}]"
    assert "/opt/cds/bin/python" not in locked[1], "what builds must not ship"


@for_each
def test_no_build_tools_ship(file: str) -> None:
    commands = " ".join(value for name, value in final_stage(file) if name == "RUN")
    assert "pip uninstall" in commands
    assert "install -r" not in commands
    assert "apt-get" not in commands
    assert any(name == "RUN" and "venv --without-pip" in value for name, value in instructions(file))


@for_each
def test_what_the_build_needs_is_copied_and_not_ignored(file: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = {"pyproject.toml", project["project"]["readme"], *wheel["packages"], *wheel["force-include"]}
    needed |= {"requirements.lock", "requirements-build.lock"}
    assert needed == copied(file)
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in ignored if line and not line.startswith("#")]
    assert rules[0] == "*"
    assert {rule.removeprefix("!") for rule in rules if rule.startswith("!")} == copied(file)
    assert all((ROOT / source).exists() for source in copied(file))


@pytest.mark.parametrize(("status", "healthy"), [(200, True), (500, False)])
def test_its_health_check_asks_health(probed: Callable[[int], Any], status: int, healthy: bool) -> None:
    command = json.loads(re.sub(r"^.*?CMD\s*", "", value_of(SERVICE, "HEALTHCHECK")))
    with probed(status) as server:
        environment = {"CDS_PORT": str(server.port), "http_proxy": "http://127.0.0.1:9"}
        done = subprocess.run([sys.executable, *command[1:]], env=environment, capture_output=True, check=False)
    assert (done.returncode == 0) is healthy, done.stderr
    assert server.paths == ["/health"]
