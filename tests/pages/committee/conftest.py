from __future__ import annotations

from console_house import console, open_console

__all__ = ["console", "open_console"]
