"""Which file the settings are read from, and what stands in it."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any

from cds.errors import SettingsError

USUAL = Path("cds.toml")


def settings_file(named: Path | None) -> Path | None:
    """``named``, else ``$CDS_SETTINGS``, else ``cds.toml`` of this folder; None where there is none of them."""
    if named is None and (elsewhere := os.environ.get("CDS_SETTINGS")):
        return Path(elsewhere)
    return USUAL if named is None and USUAL.exists() else named


def read(path: Path) -> dict[str, Any]:
    """Raises SettingsError."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))  # some editors begin every text with a mark
    except OSError as error:
        raise SettingsError(f"settings file can't be read: {error}") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path}: not UTF-8 text; save it as UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path}: not valid TOML: {error}") from error
