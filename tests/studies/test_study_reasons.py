"""Every reason a study can end with has words in every language, and the words never reassure."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
import yaml

from cds.imaging.reasons import LANGUAGES, Reason
from cds.studies import reasons

ROOM = Path(reasons.__file__).parent
CATALOGUE: dict[str, dict[str, str]] = yaml.safe_load((ROOM / "reasons.yaml").read_text(encoding="utf-8"))


def codes() -> set[str]:
    """Codes that the room's own source hands on, as plain words."""
    found = set()
    for path in ROOM.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("Unfinished", "words"):
                found |= {a.value for a in node.args[:1] if isinstance(a, ast.Constant) and isinstance(a.value, str)}
    return found


def test_every_code_of_the_work_has_its_words() -> None:
    known = {reason.value for reason in Reason} | set(CATALOGUE)
    assert len(codes()) > 5
    assert codes() - known == set()


@pytest.mark.parametrize("code", sorted(CATALOGUE))
def test_every_sentence_is_there_in_every_language(code: str) -> None:
    assert set(CATALOGUE[code]) == set(LANGUAGES)
    assert all(sentence.endswith(".") for sentence in CATALOGUE[code].values())


def test_no_sentence_reassures() -> None:
    text = " ".join(sentence for said in CATALOGUE.values() for sentence in said.values()).lower()
    assert not re.search(r"\b(normal|negative|no cancer|reassur\w*|geruststel\w*|normaal|negatief|geen kanker)\b", text)


def test_a_code_of_a_later_version_is_said_to_be_unknown() -> None:
    assert reasons.words("something-new") == CATALOGUE["unknown"]


def test_what_a_network_did_not_find_is_another_thing_than_images_an_archive_lacks() -> None:
    assert reasons.of_stage("not-found", "locate") != reasons.of_stage("not-found", "choice")
    assert "archive" in reasons.of_stage("not-found", "choice")["en"]


def test_a_write_that_failed_is_said_as_what_failed() -> None:
    assert reasons.words("write-pacs-failed") == reasons.words("pacs-failed")
