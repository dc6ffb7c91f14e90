"""Rules as versioned data: whose guideline they are, when it was published, until when somebody is to look again, and
an edition of them that comes after the installed one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date
from typing import Any

from pydantic import Field, ValidationError

from cds.inference.faults import FaultAt
from cds.inference.manifest import Guideline, Manifest, Rule
from cds.inference.model import Model
from cds.inference.resolved import faults
from cds.plain_faults import plainly
from cds.record.concepts import Strict, Text

Path = tuple[int | str, ...]


class Edition(Strict):
    """What a guideline's update sets of a rules model; what it reads of the record and for whom it speaks stay."""

    version: str = Field(pattern=r"^\d+\.\d+\.\d+$")
    """Of these rules; the newer of this and the installed one is in force."""
    released: date
    """Day of this version."""
    title: Text
    """Its name on cards, by language."""
    publisher: str = Field(min_length=1)
    published: str = Field(pattern=r"^\d{4}(-\d{2}(-\d{2})?)?$")
    review_by: date
    owner: str = Field(min_length=1)
    citation: str | Text = Field(min_length=1)
    where: Text = Field(default_factory=dict)
    """Place in what is cited, by language."""
    url: str | None = Field(None, pattern=r"^https?://")
    rules: tuple[Rule, ...] = Field(min_length=1)
    """The weightiest first."""
    otherwise: str | None = None
    """The category when no rule holds."""


def edition_of(manifest: Manifest) -> Edition:
    """The installed rules as an edition. Raises ValueError for a model that is no guideline of rules."""
    guideline = manifest.guideline
    if guideline is None or manifest.runtime.kind != "rules":
        raise ValueError(f"{manifest.id} is no guideline that is written as rules")
    source = manifest.sources[guideline.source]
    return Edition(
        version=manifest.version,
        released=manifest.released,
        title=manifest.words.title,
        publisher=guideline.publisher,
        published=guideline.published,
        review_by=guideline.review_by,
        owner=guideline.owner,
        citation=source.citation,
        where=source.where,
        url=source.url,
        rules=manifest.runtime.rules,
        otherwise=manifest.runtime.otherwise,
    )


def newer(edition: str, installed: str) -> bool:
    """Of two versions, ``1.10.0`` over ``1.9.0``."""
    one, other = (tuple(int(part) for part in version.split(".")) for version in (edition, installed))
    return one > other


def with_edition(manifest: Manifest, edition: Edition) -> Manifest:
    """The manifest with these rules. Raises FaultAt for a name that leads nowhere."""
    edition_of(manifest)
    guideline = Guideline.model_validate(
        {
            "source": manifest.guideline.source if manifest.guideline is not None else "",
            **{name: getattr(edition, name) for name in ("publisher", "published", "review_by", "owner")},
        }
    )
    source = manifest.sources[guideline.source].model_copy(
        update={name: getattr(edition, name) for name in ("citation", "where", "url", "published")}
    )
    made = manifest.model_copy(
        update={
            "version": edition.version,
            "released": edition.released,
            "words": manifest.words.model_copy(update={"title": edition.title}),
            "guideline": guideline,
            "sources": {**manifest.sources, guideline.source: source},
            "runtime": manifest.runtime.model_copy(update={"rules": edition.rules, "otherwise": edition.otherwise}),
        }
    )
    for fault in (*_words(manifest, edition), *faults(made)):
        raise fault
    return made


def under(model: Model, editions: Mapping[str, Mapping[str, Any]]) -> Model:
    """The model with its edition, where there is one that is newer than what is installed. Raises ValueError for one
    that does not fit, which no valid policy holds."""
    content = editions.get(model.manifest.id)
    if content is None or model.refused or not newer(str(content.get("version")), model.manifest.version):
        return model
    return replace(model, manifest=with_edition(model.manifest, Edition.model_validate(content)))


def wrong(manifest: Manifest, content: Any) -> list[tuple[Path, str]]:
    """Every fault of what a policy gives as an edition: (path in it, what is wrong). None where it is superseded."""
    try:
        edition = Edition.model_validate(content)
        if newer(edition.version, manifest.version):
            with_edition(manifest, edition)
    except ValidationError as error:
        return [(tuple(f["loc"]), plainly(f)) for f in error.errors()]
    except FaultAt as fault:
        path = fault.path[1:] if fault.path[:1] == ("runtime",) else fault.path
        return [(tuple(path), str(fault))]
    except ValueError as error:
        return [((), str(error))]
    return []


def _words(manifest: Manifest, edition: Edition) -> Iterator[FaultAt]:
    """Cards are read in every language that the installed model speaks."""
    for language in manifest.words.title:
        for name in ("title", "citation", "where"):
            given = getattr(edition, name)
            if isinstance(given, dict) and given and not given.get(language):
                yield FaultAt(f"has no words in '{language}', in which cards are read", name)
        for position, rule in enumerate(edition.rules):
            for key in ("label", "says"):
                if not getattr(rule, key).get(language):
                    what = f"rule '{rule.id}' has no words in '{language}', in which cards are read"
                    yield FaultAt(what, "runtime", "rules", position, key)
