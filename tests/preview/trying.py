"""A change to be tried, and the day it is tried on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from click.testing import Result
from hospital import NOW

from cds.cli.policy import preview as command

Preview = Callable[..., Result]
"""``preview(hospital, "--days", "1500", change=...)``: the command, on that hospital's ledger."""

CHANGE = """\
name: Lower threshold
author: A. Lead
effective: 2026-01-01
reason: to see what it would cost
services:
  pancreas-risk:
    parameters: {risk_at_least: 0.01}
"""


def put_on_that_day(patch: pytest.MonkeyPatch) -> None:
    """The day the hospital's calls are counted from; the clock alone is put in place."""
    person = command.person_of

    def on_that_day(*given: Any) -> Any:
        return replace(person(*given), now=NOW, today=NOW.date())

    patch.setattr(command, "person_of", on_that_day)
