"""The commands of ``cds site``."""

from __future__ import annotations

import click

from cds.cli.site.check import check
from cds.cli.site.init import init, list_profiles
from cds.cli.site.key import key


@click.group()
def site() -> None:
    """Fit the service into one hospital: settings, keys, and whether all of it works."""


site.add_command(check)
site.add_command(init)
site.add_command(key)
site.add_command(list_profiles)
