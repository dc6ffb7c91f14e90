from __future__ import annotations

from study_house import build, house
from study_site import site

__all__ = ["build", "house", "site"]
