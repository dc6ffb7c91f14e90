"""A day as an option."""

from __future__ import annotations

from datetime import date

import click


def day(ctx: click.Context, parameter: click.Parameter, value: str | None) -> date | None:
    try:
        return date.fromisoformat(value) if value else None
    except ValueError as error:
        raise click.BadParameter("write a day as 2026-03-31") from error
