"""Words for why a study was not assessed: the images' own reasons, and those of the work around them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources

from cds import yaml_lines
from cds.imaging import reasons as imaging


@cache
def catalogue() -> dict[str, dict[str, str]]:
    """Sentences by code and language."""
    text = resources.files(__package__).joinpath("reasons.yaml").read_text(encoding="utf-8")
    found: dict[str, dict[str, str]] = yaml_lines.plain(text)
    return found


@cache
def words(code: str) -> Mapping[str, str]:
    """The sentence by language. A code of a later version has none of its own and says so."""
    code = code.removeprefix("write-")
    try:
        reason = imaging.Reason(code)
    except ValueError:
        return catalogue().get(code) or catalogue()["unknown"]
    # "not-found" of an archive is about images; of a network it is about what it looks for
    return {language: imaging.words(reason, language) for language in imaging.LANGUAGES}


def at_stage(code: str, stage: str) -> str:
    """The code that needs no stage beside it: what a network could not find is another thing than images an archive
    does not have."""
    return f"network-{code}" if stage != "choice" and f"network-{code}" in catalogue() else code


def of_stage(code: str, stage: str) -> Mapping[str, str]:
    """As ``words``, of a code and the stage where it came up."""
    return words(at_stage(code, stage))
