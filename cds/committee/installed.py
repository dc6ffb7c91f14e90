"""Is the library that measures there? The service itself does without it."""

from __future__ import annotations

from importlib.util import find_spec

from cds.errors import StatisticsUnavailable


def require_statistics() -> None:
    """To be asked before anything under ``cds.measures`` is imported. Raises StatisticsUnavailable."""
    if find_spec("scipy") is None:
        raise StatisticsUnavailable(
            "nothing can be measured here: install this package with its extra 'committee' "
            "(pip install '<package>[committee]')"
        )
