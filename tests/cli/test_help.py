"""Whoever knows only ``--help`` finds the way."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import click
import pytest
from command_line import cds

from cds import __version__
from cds.cli import main

Named = tuple[str, click.Command]


def tree(command: click.Command, path: str = "cds") -> Iterator[Named]:
    yield path, command
    if isinstance(command, click.Group):
        for name, child in command.commands.items():
            yield from tree(child, f"{path} {name}")


ALL = list(tree(main))


@pytest.mark.parametrize(("path", "command"), ALL, ids=[path for path, _ in ALL])
def test_help_says_what_the_command_is_for_and_what_each_option_does(path: str, command: click.Command) -> None:
    result = cds(*path.split()[1:], "--help")
    assert result.exit_code == 0
    assert "Usage: cds" in result.stdout
    assert len((command.help or "").split()) >= 4, f"{path} says too little"
    for option in command.params:
        if isinstance(option, click.Option):
            assert option.help, f"{path} {option.opts[0]} is not explained"
            assert option.opts[-1] in result.stdout


@pytest.mark.parametrize(("path", "command"), ALL, ids=[path for path, _ in ALL])
def test_a_group_tells_each_of_its_commands_in_a_line(path: str, command: click.Command) -> None:
    told = cds(*path.split()[1:], "-h").stdout
    for child in getattr(command, "commands", {}).values():
        assert child.name in told
        assert child.get_short_help_str(200)


def test_arguments_are_named_in_the_words_of_the_help() -> None:
    for path, command in ALL:
        for parameter in command.params:
            if isinstance(parameter, click.Argument):
                name = (parameter.metavar or parameter.name or "").upper().replace("-", "_")
                first = name.split("_")[0]
                assert first in (command.help or "").upper(), f"{path}: {name} is not explained"


def test_a_misspelt_command_or_option_is_a_usage_error() -> None:
    for words in (["serv"], ["check", "--ofline"], ["models", "lst"]):
        result = cds(*words)
        assert result.exit_code == 2
        assert "No such" in result.stderr


def test_the_version_is_the_packages() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "cds", "--version"], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, f"cds, version {__version__}\n", "")
