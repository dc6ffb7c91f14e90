"""Patients that a model's own folder brings to be shown with: ``demo.yaml`` beside ``model.yaml``.

A model that arrives as a folder, for a disease of which no story tells, is seen in the demonstration all the same.
Moments are written ``TODAY``, ``TODAY-30`` (days), so that a patient never grows old.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cds import yaml_lines
from cds.errors import SettingsError

FILE = "demo.yaml"
_MOMENT = re.compile(r"^TODAY(?:-(\d+))?$")
_TEST_DATA = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "HTEST"}


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Expected(_Strict):
    """A card that must come."""

    hook: Literal["patient-view"]
    topic: str
    words: str
    """In its headline or its text, in English."""


class _Patient(_Strict):
    id: str = Field(pattern=r"^[a-z][a-z0-9-]{0,40}$")
    given: str
    age: int = Field(ge=0, le=110)
    sex: Literal["female", "male"]
    tells: dict[str, str]
    """The clinical story in one line, by language."""
    resources: tuple[dict[str, Any], ...]
    """FHIR R4, without id and subject, which are added."""
    expects: tuple[_Expected, ...] = Field(min_length=1)


class _File(_Strict):
    patients: tuple[_Patient, ...] = Field(min_length=1)


@dataclass(frozen=True)
class ModelPatient:
    """One such patient, with what the demonstration asks of a story."""

    row: _Patient
    model: str
    drafts: tuple[str, ...] = ()
    flavour: str = "us"
    """Whose habits new orders are written by."""

    @property
    def id(self) -> str:
        return self.row.id

    @property
    def name(self) -> str:
        return f"{self.row.given} Testpatient"

    @property
    def age(self) -> int:
        return self.row.age

    @property
    def sex(self) -> str:
        return self.row.sex

    @property
    def tells(self) -> str:
        return self.told("en")

    def told(self, language: str) -> str:
        return self.row.tells.get(language) or self.row.tells.get("en", "")

    def resources(self, today: date) -> list[dict[str, Any]]:
        """Patient first."""
        born = today - timedelta(days=100)
        born = born.replace(year=born.year - self.age, day=min(born.day, 28))
        patient = {
            "resourceType": "Patient",
            "id": self.id,
            "name": [{"use": "official", "family": "Testpatient", "given": [self.row.given]}],
            "gender": self.sex,
            "birthDate": born.isoformat(),
        }
        others = [
            {**_dated(resource, today), "id": f"{self.id}-{number:03d}", "subject": {"reference": f"Patient/{self.id}"}}
            for number, resource in enumerate(self.row.resources, start=1)
        ]
        return [{**resource, "meta": {"tag": [_TEST_DATA]}} for resource in (patient, *others)]

    def faults(self, hook: str, cards: Sequence[Mapping[str, Any]]) -> list[str]:
        """What was expected of ``hook`` and did not come."""
        told = [(c["source"].get("topic", {}).get("code"), f"{c['summary']}\n{c.get('detail', '')}") for c in cards]
        return [
            f"{self.id}: no card '{e.topic}' says: {e.words}"
            for e in self.row.expects
            if e.hook == hook and not any(topic == e.topic and e.words in text for topic, text in told)
        ]


def brought(folders: Iterable[Path]) -> tuple[ModelPatient, ...]:
    """Of every model folder below ``folders``. Raises SettingsError naming the file and what is wrong in it."""
    return tuple(
        ModelPatient(row, path.parent.name)
        for folder in folders
        for path in sorted(folder.glob(f"*/{FILE}"))
        for row in _read(path).patients
    )


def _read(path: Path) -> _File:
    try:
        return _File.model_validate(yaml_lines.plain(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        first = error.errors()[0]
        raise SettingsError(f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    except (OSError, yaml.YAMLError) as error:
        raise SettingsError(f"{path}: {error}") from error


def _dated(value: Any, today: date) -> Any:
    """A copy in which moments are dates."""
    if isinstance(value, dict):
        return {key: _dated(inner, today) for key, inner in value.items()}
    if isinstance(value, list):
        return [_dated(inner, today) for inner in value]
    if isinstance(value, str) and (moment := _MOMENT.match(value)):
        return (today - timedelta(days=int(moment[1] or 0))).isoformat()
    return value
