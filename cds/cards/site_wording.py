"""A hospital's own sentences: a folder with ``en.yaml``, ``nl.po`` and so on, put over the catalogues' own.

YAML as the catalogues have it, or gettext's PO as translators have it: ``msgctxt`` is the key, ``msgstr`` the sentence
(``cds wording export`` writes one). Everything wrong in the folder is reported at once, and nothing of it is then used:
half of a hospital's wording would be worse than none.
"""

from __future__ import annotations

import difflib
import io
from collections.abc import Iterable, Mapping
from pathlib import Path

import yaml
from babel.messages.catalog import Catalog
from babel.messages.pofile import PoFileError, read_po, write_po

from cds import yaml_lines
from cds.cards.phrasebook import Phrasebook, fields_of, flat
from cds.errors import SettingsError

HEADLINE_LIMIT = 139
"""Characters of a card's headline (CDS Hooks 2.0.1, "Card attributes": fewer than 140), before it is filled in."""


def read(folder: Path, packaged: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, str]]:
    """Sentences by language and key. ``packaged``: all there are. Raises SettingsError listing every fault."""
    if not folder.is_dir():
        raise SettingsError(f"wording_dir: there is no folder {folder}")
    found: dict[str, dict[str, str]] = {}
    faults: list[str] = []
    for path in sorted(folder.iterdir()):
        if path.suffix not in (".yaml", ".po"):
            continue
        if path.stem not in packaged:
            faults.append(f"{path.name}: there is no language '{path.stem}'; there are: {', '.join(sorted(packaged))}")
            continue
        try:
            sentences = _po(path) if path.suffix == ".po" else _yaml(path)
        except (OSError, ValueError, yaml.YAMLError, PoFileError) as error:
            faults.append(f"{path.name} can't be read: {error}")
            continue
        faults += [f"{path.name}: {fault}" for fault in _faults(sentences, packaged[path.stem])]
        found.setdefault(path.stem, {}).update(sentences)
    if faults:
        raise SettingsError(f"wording_dir {folder}:\n" + "\n".join(faults))
    return found


def _yaml(path: Path) -> dict[str, str]:
    content = yaml_lines.plain(path.read_text(encoding="utf-8")) or {}
    if not isinstance(content, dict):
        raise ValueError("it must be keys with sentences")
    return dict(flat(content, ""))


def _po(path: Path) -> dict[str, str]:
    with path.open("rb") as file:
        catalogue = read_po(file, abort_invalid=True)
    return {str(m.context): str(m.string) for m in catalogue if m.context and m.string and not m.fuzzy}


def _faults(sentences: Mapping[str, str], packaged: Mapping[str, str]) -> Iterable[str]:
    for key, text in sentences.items():
        if key not in packaged:
            near = difflib.get_close_matches(key, packaged, n=1)
            yield f"there is no sentence '{key}'" + (f"; did you mean '{near[0]}'?" if near else "")
            continue
        try:
            fields = fields_of(text)
        except ValueError as error:
            yield f"'{key}': {error}"
            continue
        if fields != (wanted := fields_of(packaged[key])):
            yield f"'{key}' must have the fields {_braced(wanted)}, and has {_braced(fields)}"
        elif not text.strip():
            yield f"'{key}' is empty"
        elif is_headline(key) and len(text) > HEADLINE_LIMIT:
            yield f"'{key}' is {len(text)} characters long; a headline has {HEADLINE_LIMIT} at most"


def is_headline(key: str) -> bool:
    return "summary" in key.split(".") or key.endswith("_summary")


def _braced(fields: Iterable[str]) -> str:
    return ", ".join(f"{{{name}}}" for name in sorted(fields)) or "none"


def exported(book: Phrasebook, english: Phrasebook, when: Mapping[str, str]) -> bytes:
    """A PO file of all sentences of ``book``: English as ``msgid``, when it is read as the translator's comment."""
    catalogue = Catalog(locale=book.language, project="cds", version="1", charset="utf-8", fuzzy=False)
    for key, text in english.texts.items():
        comments = [when[key]] if when.get(key) else []
        catalogue.add(text, book.texts[key], context=key, auto_comments=comments)
    out = io.BytesIO()
    write_po(out, catalogue, width=100)
    return out.getvalue()
