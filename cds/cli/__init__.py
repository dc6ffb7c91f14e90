"""``cds``: everything an integrator, an operator or a clinical lead does from a terminal."""

from cds.cli.main import main

__all__ = ["main"]
