"""A fault that only shows when parts of a manifest are compared, with the place of the part that is wrong."""

from __future__ import annotations


class FaultAt(ValueError):
    """``path``: keys and positions below what was being validated, so that the fault can name its line."""

    def __init__(self, message: str, *path: str | int) -> None:
        super().__init__(message)
        self.path = path
