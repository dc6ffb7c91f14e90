"""``cds site key``: a private key that signs for this service, and what the EHR has to know of it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import click

from cds.errors import SettingsError
from cds.trust.own_keys import OwnKeys


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def key(file: Path) -> None:
    """Make a private key (P-384) in FILE, which must not exist, and print its public half.

    Name it in `signing_keys`. Its public half is then at /.well-known/jwks.json: the EHR's administrator registers that
    address, or the JSON printed here where it can't be fetched. To replace a key, list the new one behind the old one,
    wait a day, list it first, wait a day, and remove the old one.
    """
    from cryptography.hazmat.primitives import serialization  # only here
    from cryptography.hazmat.primitives.asymmetric import ec

    pem = ec.generate_private_key(ec.SECP384R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    try:
        # readable by its owner alone from the first moment
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise SettingsError(f"{file} can't be made: {error.strerror}") from error
    with os.fdopen(descriptor, "wb") as opened:
        opened.write(pem)
    click.echo(json.dumps(OwnKeys([file]).jwks(), indent=1))
