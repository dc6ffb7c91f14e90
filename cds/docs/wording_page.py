"""``docs/wording.md``: every sentence a clinician may read, in every language, and when."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from cds.cards.occasions import Occasions
from cds.cards.phrasebook import Phrasebook
from cds.docs.reference import GENERATED
from cds.inference.manifest import Manifest

_HEAD = """
For the clinical lead who reviews them. `{name}` is filled in. A site says a sentence otherwise by a folder of its own
(setting `wording_dir`) with the keys it changes:

```yaml
# wording/en.yaml
engine.source: Decision support of the hospital
```

`cds wording check wording` says whether the folder would be accepted: keys must exist, fields in braces must be those
of the original, headlines are shorter than 140 characters. `{n:day|days}` is a number with its noun: one day, several
days. `cds wording export nl` writes a gettext PO file for a
translator's program; such a file works in the folder, too. Sentences of models are changed in their manifests.
"""

_OF_MODELS = {
    "words.title": "Its name, on cards and pages.",
    "words.summary": "What it answers, on its page and in `cds models show`.",
    "words.limits": "What it can't do, in the section 'How sure' and on its page.",
    "population.description": "For whom it was made, on its page.",
    "population.eligibility": "Why it does not speak for a patient.",
    "inputs": "Name of an input.",
    "outputs": "What a result is called.",
    "runtime.rules": "A criterion that holds: its short name, and its sentence.",
    "evidence": "Who was studied and what was measured, in the section 'How sure'.",
    "card": "Its card: when it speaks, and what it says.",
    "concepts": "Name of a concept.",
    "parameters": "A fact its card needs.",
}


def wording_page(
    books: Mapping[str, Phrasebook],
    occasions: Occasions,
    manifests: Iterable[Manifest],
    reasons: Mapping[str, Mapping[str, Mapping[str, str]]],
) -> str:
    """``books``: by language. ``reasons``: title -> code -> sentence by language."""
    lines = ["# Wording", GENERATED, *_HEAD.splitlines(), ""]
    last, before = "", ""
    for key in books["en"].texts:
        room = key.split(".")[0]
        when = occasions.of(key)
        if room != last:
            lines += ["", f"## `{room}`"]
            last, before = room, ""
        if when != before:
            lines += ["", f"**{when}**", "", *_head(books)]
            before = when
        lines.append(_row(key, {language: book.texts[key] for language, book in books.items()}, books))
    for title, said in reasons.items():
        lines += ["", f"## {title}", "", *_head(books), *(_row(code, texts, books) for code, texts in said.items())]
    lines += ["", "## Sentences of models"]
    for manifest in manifests:
        lines += ["", f"### `{manifest.id}`", *_of_model(manifest, books)]
    return "\n".join([*lines, ""])


def _of_model(manifest: Manifest, books: Mapping[str, Phrasebook]) -> Iterator[str]:
    content = manifest.model_dump(mode="json")
    for begins, when in _OF_MODELS.items():
        part: Any = content
        for name in begins.split("."):
            part = (part or {}).get(name)
        said = dict(_texts(part, "", set(books)))
        if said:
            yield from ("", f"**{when}**", "", *_head(books))
            for key, texts in said.items():
                yield _row(f"{begins}{key}", texts, books)


def _texts(part: Any, path: str, languages: set[str]) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Every mapping from languages to sentences below ``part``, with its path."""
    if isinstance(part, dict):
        if part and set(part) <= languages:
            values = list(part.values())
            if all(isinstance(v, str) for v in values):
                yield path, part
            elif all(isinstance(v, list) for v in values):
                for number in range(max(len(v) for v in values)):
                    yield f"{path}.{number}", {k: v[number] for k, v in part.items() if number < len(v)}
            return
        for name, below in part.items():
            yield from _texts(below, f"{path}.{name}", languages)
    elif isinstance(part, list):
        for number, below in enumerate(part):
            name = below.get("name") or below.get("id") if isinstance(below, dict) else None
            yield from _texts(below, f"{path}.{name or number}", languages)


def _head(books: Mapping[str, Phrasebook]) -> list[str]:
    return [f"| key | {' | '.join(books)} |", f"|---|{'---|' * len(books)}"]


def _row(key: str, texts: Mapping[str, str], books: Mapping[str, Phrasebook]) -> str:
    cells = (texts.get(language, "").replace("|", "\\|").replace("\n", " ") for language in books)
    return f"| `{key}` | {' | '.join(cells)} |"
