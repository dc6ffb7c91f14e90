from __future__ import annotations

from study_house import build, house

__all__ = ["build", "house"]
