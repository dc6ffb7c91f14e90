"""``cds ledger``: its schema, from a terminal."""

from cds.cli.ledger.commands import ledger

__all__ = ["ledger"]
