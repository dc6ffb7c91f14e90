"""Who puts results back where people look: by the settings, none by default."""

from __future__ import annotations

from cds.settings import Settings
from cds.studies.pipeline import Writer


def writers(settings: Settings) -> list[Writer]:
    return []
