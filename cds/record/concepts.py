"""The vocabulary: clinical ideas and every code they arrive under.

Concepts are data (``vocabulary/*.yaml`` beside the models, or inside one model's manifest); a hospital's own codes
join them through one ConceptMap file, see ``cds.record.vocabulary``.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Text = dict[str, str]
"""Words by language tag: ``{"en": ..., "nl": ...}``."""


class Strict(BaseModel):
    """People write these files: an unknown key is a typing error, not an extension."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ConceptCode(Strict):
    system: str
    """Code system's address, such as http://loinc.org."""
    code: str
    """The code."""
    display: str = ""
    """For readers; never matched on."""


class Conversion(Strict):
    """``canonical = value * factor + offset`` for a unit that plain arithmetic can't reach."""

    unit: str
    """Unit as sent."""
    factor: float
    """Multiplied with the value as sent."""
    offset: float = 0.0
    """Added after that."""
    source: str
    """Where the factor comes from."""


class Variant(Strict):
    """A finding in a gene. How results are read, and what never counts: see ``cds.record.genomics``."""

    gene: str
    """HGNC symbol."""
    hgnc: str = Field(pattern=r"^HGNC:\d+$")
    """The gene's HGNC id, such as HGNC:6407."""
    names: tuple[str, ...] = ()
    """Names of the change this concept means, under any of which a report may give it: HGVS (``c.34G>T``,
    ``p.Gly12Cys``), dbSNP (``rs3918290``), a star allele (``*2A``). None: any change of the gene."""
    fusion: bool = False
    """Only a fusion of the gene counts."""
    origin: Literal["germline", "somatic", "any"] = "any"
    """Inherited, of the tumour, or either."""
    pathogenic: bool = True
    """Only what is reported as pathogenic or likely pathogenic counts. ``false`` where ``names`` say it all."""
    gives: Literal["presence", "copies", "tested"] = "presence"
    """``copies``: the value is how many of the two alleles have it, 0 too. ``tested``: any result of the gene."""

    @model_validator(mode="after")
    def _says_what_counts(self) -> Variant:
        if not self.pathogenic and not self.names and not self.fusion and self.gives != "tested":
            raise ValueError("'pathogenic: false' needs 'names' or 'fusion': any change of a gene is no finding")
        if self.gives == "copies" and not self.names:
            raise ValueError("'gives: copies' needs 'names': copies of what?")
        return self


class Relatives(Strict):
    """Which relatives' conditions a concept of FamilyMemberHistory means. Blood relatives only."""

    degree: Literal["first", "second", "any"] = "any"
    """How close the relatives are."""
    kindred: bool = False
    """Counts only those who have a first-degree relative among the others; see ``cds.record.family``."""


class Carried(Strict):
    """A stage that a problem may carry itself, in ``Condition.stage``; see ``cds.record.carried``."""

    by: str
    """Concept of the problem."""
    answers: tuple[str, ...]
    """Answers that are to this question, and not to another one that the problem carries."""


class Concept(Strict):
    """One clinical idea and every code it arrives under. Matched on system + code, never on display."""

    resource: Literal[
        "Observation",
        "Condition",
        "Medication",
        "Procedure",
        "ServiceRequest",
        "ImagingStudy",
        "FamilyMemberHistory",
        "Encounter",
        "answer",
    ]
    """FHIR resource it is found in; ``answer`` for a coded answer."""
    label: Text
    """What people call it, by language."""
    codes: tuple[ConceptCode, ...] = ()
    """A trailing ``*`` on an ICD-10 code takes its children too."""
    exclude: tuple[ConceptCode, ...] = ()
    """Codes that a trailing ``*`` would take, and that mean something else."""
    unit: str | None = None
    """Canonical UCUM unit of the value; every accepted unit is converted to it."""
    molar_mass: float | None = None
    """g/mol: allows molar <-> mass conversion."""
    conversions: tuple[Conversion, ...] = ()
    """Units that plain arithmetic can't reach."""
    plausible: tuple[float, float] | None = None
    """Values outside can't be true of a living patient and are refused."""
    derive: Literal["bmi"] | None = None
    """How to compute it where nobody recorded it."""
    variant: Variant | None = None
    """Read from genomic results; ``codes`` are then only those of reports on this very finding."""
    inborn: bool = False
    """Observation with a coded answer: what one is born with, which counts whatever the date of the result, and without
    one. Of ``variant`` those that give ``copies`` or ``tested`` are so by themselves."""
    carried: Carried | None = None
    """Observation with a coded answer: the problem that may carry it, where no observation tells it."""
    relatives: Relatives | None = None
    """FamilyMemberHistory: whose; the fact's value is the relative's age at onset, in years."""
    stocked: bool = True
    """Medication: false where many hospitals have none, so that a site's own table may be whole without it."""
    source: str = ""
    """Where the codes and limits come from."""

    @model_validator(mode="after")
    def _read_from_the_right_resource(self) -> Concept:
        if self.variant is not None and self.resource != "Observation":
            raise ValueError("'variant' is read from Observations: give 'resource: Observation'")
        if self.carried is not None and self.resource != "Observation":
            raise ValueError("'carried' says where else an Observation's answer stands: give 'resource: Observation'")
        if (self.relatives is not None) is not (self.resource == "FamilyMemberHistory"):
            raise ValueError("'resource: FamilyMemberHistory' and 'relatives' belong together")
        return self
