"""``cds site key``: a private key that signs for this service, and what the EHR has to know of it."""

from __future__ import annotations

import json
from pathlib import Path

import click

from cds.trust.own_keys import OwnKeys, make_key


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def key(file: Path) -> None:
    """Make a private key (P-384) in FILE, which must not exist, and print its public half.

    Name it in `signing_keys`. Its public half is then at /.well-known/jwks.json: the EHR's administrator registers that
    address, or the JSON printed here where it can't be fetched. To replace a key, list the new one behind the old one,
    wait a day, list it first, wait a day, and remove the old one.
    """
    make_key(file)
    click.echo(json.dumps(OwnKeys([file]).jwks(), indent=1))
