"""Words by language: one YAML catalogue a language, the engine's and each hooks package's merged.

A sentence is ``str.format`` text with named fields; ``{calls:call|calls}`` is a number with its noun, in the singular
where it is 1, so that a sentence can hold several. Numbers and dates are written as the language writes them (Babel).
A key that a catalogue lacks is a start-up error, not an empty card: ``check`` compares all catalogues.
"""

from __future__ import annotations

import functools
import re
import string
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any, Literal

import yaml
from babel import Locale
from babel.dates import format_date
from babel.lists import format_list
from babel.numbers import format_decimal
from babel.units import format_unit

from cds import yaml_lines
from cds.errors import ServiceError
from cds.record.moments import Moment

Texts = Mapping[str, Mapping[str, str]]
"""By language and key."""

ENGINE_CATALOGUE = Path(__file__).parent / "catalogue"
MINUS = "−"
"""U+2212: a hyphen before a number is read as a dash, and breaks from it at the end of a line."""
_WITH_NOUN = re.compile(r"\{(\w+):([^{}|]+)\|([^{}|]+)\}")


@dataclass(frozen=True)
class Phrasebook:
    language: str
    texts: Mapping[str, str]
    labels: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Concept name -> its label by language."""

    def __call__(self, key: str, **values: Any) -> str:
        """The sentence ``key``, filled in. Raises ServiceError for a key no catalogue has."""
        try:
            text = self.texts[key]
            if "|" in text:
                text = _WITH_NOUN.sub(lambda m: f"{{{m[1]}}} {m[2] if str(values[m[1]]) == '1' else m[3]}", text)
            return text.format(**values)
        except KeyError as error:
            raise ServiceError(
                f"catalogue '{self.language}': sentence '{key}' or its field {error} is missing"
            ) from error

    def counted(self, key: str, count: int, **values: Any) -> str:
        """``key.one`` or ``key.more``, with ``count`` as a field: one thing is not "1 things"."""
        return self(f"{key}.{'one' if count == 1 else 'more'}", count=self.number(count, 0), **values)

    def pick(self, texts: Mapping[str, str]) -> str:
        """From ``{"en": ..., "nl": ...}``: this language, else English, else whatever there is."""
        return texts.get(self.language) or texts.get("en") or next(iter(texts.values()), "")

    def concept(self, name: str) -> str:
        """A concept's label; its name where the vocabulary has none."""
        return self.pick(self.labels.get(name, {})) or name

    def number(self, value: float, digits: int = 1) -> str:
        return _decimal(round(value, digits), self.language)

    def signed(self, value: float, digits: int = 0) -> str:
        """A change: with its plus or minus."""
        return f"{'+' if value >= 0 else ''}{self.number(value, digits)}"

    def figure(self, value: float) -> str:
        """A mark of an axis: all the digits it has, without those of binary fractions."""
        return _decimal(float(f"{value:.10g}"), self.language)

    def written(self, number: str) -> str:
        """A number in digits, with no digit lost, its point and minus as the language writes them."""
        return number.replace(".", self.number(0.5)[1:2]).replace("-", MINUS)

    def significant(self, value: float, figures: int = 2) -> str:
        """At most ``figures`` significant digits: a model knows no more."""
        return _decimal(float(f"{value:.{figures}g}"), self.language)

    def day(self, value: Moment | datetime | date | None) -> str:
        """A date as people write it; ``Mar 2021`` and ``2019`` keep their precision."""
        if value is None:
            return self("engine.undated")
        if isinstance(value, Moment):
            if len(value.text) == len("2021-03"):
                return _month(date.fromisoformat(f"{value.text}-01"), self.language)
            if len(value.text) < 10:
                return value.text
            value = date.fromisoformat(value.text)
        return _day(value.date() if isinstance(value, datetime) else value, self.language)

    def month(self, value: date) -> str:
        """Such as ``November 2026``, as it stands within a sentence."""
        return str(format_date(value, "MMMM y", locale=_locale(self.language)))

    def length(self, duration: str) -> str:
        """A length of time as settings write it: ``3m`` is 3 months."""
        unit = {"d": "duration-day", "m": "duration-month", "y": "duration-year"}[duration[-1]]
        return str(format_unit(int(duration[:-1]), unit, locale=_locale(self.language)))

    def tongue(self, code: str) -> str:
        """What a language is called in this one, by its code; the code where it has no name."""
        return str(_locale(self.language).languages.get(code, code))

    def join(self, parts: Iterable[str], style: Literal["standard", "or"] = "standard") -> str:
        return _listed(tuple(parts), style, self.language)


@functools.lru_cache(maxsize=16)
def _locale(language: str) -> Locale:
    return Locale.parse(language)


@functools.lru_cache(maxsize=4096)
def _decimal(value: float, language: str) -> str:
    text = format_decimal(value or 0.0, locale=_locale(language), decimal_quantization=False)  # -0.0 is 0
    return str(text).replace("-", MINUS)


@functools.lru_cache(maxsize=1024)
def _month(value: date, language: str) -> str:
    return str(format_date(value, "MMM y", locale=_locale(language)))


@functools.lru_cache(maxsize=1024)
def _listed(parts: tuple[str, ...], style: Literal["standard", "or"], language: str) -> str:
    return format_list(parts, style=style, locale=_locale(language))


@functools.lru_cache(maxsize=4096)
def _day(value: date, language: str) -> str:
    return str(format_date(value, "d MMM y", locale=_locale(language)))


class Catalogues:
    """All languages that every catalogue folder has."""

    def __init__(
        self,
        folders: Iterable[Path],
        labels: Mapping[str, Mapping[str, str]] | None = None,
        own: Callable[[Texts], Texts] | None = None,
    ) -> None:
        """``own``: a hospital's sentences to put over these. Raises ServiceError when a language lacks a sentence, or a
        sentence's fields, that English has; and what ``own`` raises."""
        texts: dict[str, dict[str, str]] = {}
        for folder in (ENGINE_CATALOGUE, *folders):
            for path in sorted(folder.glob("*.yaml")):
                texts.setdefault(path.stem, {}).update(_read(path))
        if own is not None:
            for language, sentences in own(texts).items():
                texts[language].update(sentences)
        self._books = {language: Phrasebook(language, found, labels or {}) for language, found in texts.items()}
        _compare(texts)

    @property
    def languages(self) -> tuple[str, ...]:
        return tuple(sorted(self._books))

    def book(self, *wishes: str | None, fallback: str = "en") -> Phrasebook:
        """The first wish (``nl``, ``nl-BE``, ``nl_NL``, an Accept-Language header) that there is a catalogue for."""
        for wish in wishes:
            for tag in _tags(wish):
                if tag in self._books:
                    return self._books[tag]
        return self._books.get(fallback) or self._books["en"]


@functools.lru_cache(maxsize=256)
def _tags(wish: str | None) -> tuple[str, ...]:
    """Primary language tags of an Accept-Language value, the most wanted first."""
    if not wish:
        return ()
    weighted: list[tuple[float, int, str]] = []
    for position, part in enumerate(wish.split(",")[:20]):
        tag, _, parameter = part.strip().partition(";")
        try:
            weight = float(parameter.strip().removeprefix("q=")) if parameter else 1.0
        except ValueError:
            weight = 0.0
        if tag and weight > 0:
            weighted.append((-weight, position, tag.replace("_", "-").split("-")[0].lower()))
    return tuple(tag for _, _, tag in sorted(weighted))


def _read(path: Path) -> dict[str, str]:
    try:
        content = yaml_lines.plain(path.read_text(encoding="utf-8")) or {}
    except (OSError, yaml.YAMLError) as error:
        raise ServiceError(f"{path}: {error}") from error
    return dict(flat(content, ""))


def flat(content: Mapping[str, Any], prefix: str) -> Iterable[tuple[str, str]]:
    """(key, sentence); keys of nested mappings joined by dots."""
    for key, value in content.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", str(value).strip()


def fields_of(text: str) -> set[str]:
    """Names in braces. Raises ValueError for a brace that is not closed, and for anything behind a name but a noun in
    the singular and in the plural."""
    found, nouns = set(), 0
    for _, name, form, how in string.Formatter().parse(text):
        nouns += bool(form)
        if how or (form and not _WITH_NOUN.fullmatch(f"{{{name}:{form}}}")):
            raise ValueError(f"'{{{name}:{form}}}' must hold one thing and several, as in '{{{name}:day|days}}'")
        if name:
            found.add(name)
    if nouns != len(_WITH_NOUN.findall(text)):
        raise ValueError("a number with its noun stands in single braces")
    return found


def _compare(texts: Mapping[str, Mapping[str, str]]) -> None:
    reference = texts.get("en", {})
    for language, found in texts.items():
        if missing := sorted(set(reference) ^ set(found)):
            raise ServiceError(f"catalogues 'en' and '{language}' differ in: {', '.join(missing[:10])}")
        for key, text in found.items():
            try:
                alike = fields_of(text) == fields_of(reference[key])
            except ValueError as error:
                raise ServiceError(f"catalogue '{language}': '{key}': {error}") from error
            if not alike:
                raise ServiceError(f"catalogue '{language}': '{key}' has other fields than in English")
