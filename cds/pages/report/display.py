"""What a report's timeline shows: ``report.yaml`` of the installed packages and mounted folders, validated when read.

The engine knows no disease, so which measurements have a lane, what makes them doubtful, which drugs make up which
regimen and which results count is written beside the services, in words of the vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from cds.cards.phrasebook import Catalogues
from cds.engine import Engine
from cds.errors import ServiceError
from cds.inference.registry import Registry
from cds.record.concepts import Text
from cds.record.vocabulary import Vocabulary
from cds.services.declaration import installed_packages
from cds.yaml_lines import YamlFault, line_of, parse, read_text

FILE = "report.yaml"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Limits(_Strict):
    """Lines across a lane, in its unit."""

    low: float | None = None
    high: float | None = None
    kind: Literal["usual", "threshold"] = "usual"
    """``usual``: between them lies what is usual; ``threshold``: something follows from there, and no laboratory calls
    it the end of what is usual."""
    source: Annotated[str, Field(min_length=3)] | Text
    """Where they come from; by language, or in one for all."""

    @model_validator(mode="after")
    def _of_something(self) -> Limits:
        if self.low is None and self.high is None:
            raise ValueError("limits need 'low', 'high' or both")
        if not self.source:
            raise ValueError("limits need a source")
        return self


class Confounder(_Strict):
    """What makes a lane's values mean something else while it lasts, and for ``days`` around each time it was found."""

    concepts: tuple[str, ...] = Field(min_length=1)
    at_least: float | None = None
    """For a measurement: from this value on, in ``unit``. None: that it was found is enough, from then on."""
    unit: str | None = None
    days: int = Field(gt=0, le=365)
    label: Text
    source: str = Field(min_length=3)

    @model_validator(mode="after")
    def _in_a_unit(self) -> Confounder:
        if (self.at_least is None) is not (self.unit is None):
            raise ValueError("'at_least' and 'unit' belong together")
        return self


class Response(_Strict):
    """Marks where a model's judgement changed: asked anew as of the day of each value, its thresholds are its own."""

    model: str
    output: str
    """Its output of kind ``category``."""
    marks: tuple[str, ...] = Field(min_length=1)
    """Categories that are marked."""


class Measured(_Strict):
    """A lane of one measurement."""

    label: Text
    concepts: tuple[str, ...] = Field(min_length=1)
    unit: str
    """Shown in this unit; converted as the record is."""
    digits: int = Field(1, ge=0, le=4)
    scale: Literal["linear", "log"] = "linear"
    limits: Limits | None = None
    confounders: tuple[Confounder, ...] = ()
    response: Response | None = None


class Regimen(_Strict):
    label: Text
    all: tuple[str, ...] = Field(min_length=1)
    """Drugs given within one cycle."""


class Formulation(_Strict):
    """A drug that shares its codes with a plainer one, and is told from it by the order's own text."""

    concept: str
    of: str
    words: tuple[str, ...] = Field(min_length=1)
    """One of them, in small letters, in the text."""


class Treatments(_Strict):
    """Drugs, given or ordered, as courses. Of two concepts of one order the first in the list counts."""

    label: Text
    concepts: tuple[str, ...] = Field(min_length=1)
    beside: tuple[str, ...] = ()
    """Of them, those that come with a regimen without making it another one."""
    other: str | None = None
    """Of them, the one that stands for any other drug: shown by the order's own text."""
    formulations: tuple[Formulation, ...] = ()
    cycle_days: float = Field(3.0, gt=0, le=14)
    """Drugs within it belong together."""
    gap_days: float = Field(56.0, gt=0, le=365)
    """A longer pause ends a course."""
    regimens: tuple[Regimen, ...] = ()


class Procedures(_Strict):
    label: Text
    concepts: tuple[str, ...] = Field(min_length=1)


class Scans(_Strict):
    """All imaging studies of the record, whatever they show."""

    label: Text


class Genomics(_Strict):
    label: Text
    concepts: tuple[str, ...] = Field(min_length=1)


class Timeline(_Strict):
    months_back: int = Field(24, ge=1, le=240)
    """How far the axis goes back at most; the table holds what is older, too."""
    lead_months: int = Field(3, ge=0, le=60)
    """Where anything was done or found: how long before the first of it the axis begins."""
    lanes: tuple[Measured, ...] = ()
    treatments: Treatments | None = None
    procedures: Procedures | None = None
    scans: Scans | None = None
    genomics: Genomics | None = None

    @property
    def concepts(self) -> frozenset[str]:
        """Everything that has to be read for it, without what its models read."""
        events = (self.treatments, self.procedures, self.genomics)
        found = {c for part in (*self.lanes, *events) if part is not None for c in part.concepts}
        return frozenset(found | {c for lane in self.lanes for one in lane.confounders for c in one.concepts})

    @property
    def models(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(lane.response.model for lane in self.lanes if lane.response is not None))


class Display(_Strict):
    """One ``report.yaml``."""

    timeline: Timeline


def display(engine: Engine) -> Display | None:
    """Of this deployment; None where no package brings one. To be asked once at the start: raises ServiceError for a
    file that can't be used, with its line."""
    return displayed(engine.settings.hook_dirs, engine.models, engine.catalogues)


def displayed(hook_dirs: Iterable[Path], models: Registry, catalogues: Catalogues) -> Display | None:
    """The same without a running service. ``hook_dirs``: mounted folders."""
    files = tuple(folder / FILE for folder in (*installed_packages(), *hook_dirs) if (folder / FILE).is_file())
    found = _merged(files)
    if found is not None:
        _require(found, models, catalogues, " and ".join(map(str, files)))
    return found


@lru_cache(maxsize=8)
def _merged(files: tuple[Path, ...]) -> Display | None:
    """Lanes of all; a part that several have (treatments, scans) is the first one's."""
    read = [read_display(path).timeline for path in files]
    if not read:
        return None
    first = read[0]
    parts = {
        name: next((v for one in read if (v := getattr(one, name)) is not None), None)
        for name in ("treatments", "procedures", "scans", "genomics")
    }
    lanes = tuple(lane for one in read for lane in one.lanes)
    return Display(timeline=first.model_copy(update={**parts, "lanes": lanes}))


def read_display(path: Path) -> Display:
    """Raises ServiceError naming file, line and fault."""
    try:
        content, node = parse(read_text(path))
        return Display.model_validate(content or {})
    except OSError as error:
        raise ServiceError(f"{path}: {error.strerror}") from error
    except YamlFault as error:
        raise ServiceError(error.at(path)) from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise ServiceError(f"{path}:{line_of(node, first['loc'])}: {place}: {first['msg']}") from error


def _require(found: Display, models: Registry, catalogues: Catalogues, where: str) -> None:
    """Names, units and languages are those of the deployment."""
    timeline, vocabulary = found.timeline, models.vocabulary
    vocabulary.require(timeline.concepts, where=where)
    regimens = timeline.treatments.regimens if timeline.treatments is not None else ()
    for lane in timeline.lanes:
        _convertible(vocabulary, lane.concepts, lane.unit, where)
        for one in lane.confounders:
            if one.unit is not None:
                _convertible(vocabulary, one.concepts, one.unit, where)
        if lane.response is not None:
            _categories(models, lane.response, where)
    if timeline.treatments is not None:
        given = timeline.treatments
        drugs = {drug for regimen in regimens for drug in regimen.all} | set(given.beside)
        drugs |= {c for one in given.formulations for c in (one.concept, one.of)} | (
            {given.other} if given.other else set()
        )
        if unknown := sorted(drugs - set(given.concepts)):
            raise ServiceError(f"{where}: regimens name drugs that the treatments do not: {', '.join(unknown)}")
    for text in _texts(timeline, regimens):
        if lacking := sorted(set(catalogues.languages) - set(text)):
            raise ServiceError(f"{where}: '{next(iter(text.values()), '')}' has no words in {', '.join(lacking)}")


def _texts(timeline: Timeline, regimens: Sequence[Regimen]) -> Iterable[Text]:
    parts = (*timeline.lanes, timeline.treatments, timeline.procedures, timeline.scans, timeline.genomics, *regimens)
    yield from (part.label for part in parts if part is not None)
    yield from (one.label for lane in timeline.lanes for one in lane.confounders)


def _convertible(vocabulary: Vocabulary, concepts: Iterable[str], unit: str, where: str) -> None:
    for name in concepts:
        if vocabulary.conversion(name, unit) is None:
            raise ServiceError(f"{where}: '{unit}' is no unit of '{name}'")


def _categories(models: Registry, response: Response, where: str) -> None:
    model = models.models.get(response.model)
    if model is None:
        raise ServiceError(f"{where}: there is no model '{response.model}'")
    if model.refused:
        return  # it says so itself wherever it is asked
    known = {c for o in model.manifest.outputs if o.name == response.output for c in o.categories.values()}
    if unknown := sorted(set(response.marks) - known):
        raise ServiceError(f"{where}: '{response.model}' has no {', '.join(unknown)} in '{response.output}'")
