"""Which imaging studies a network that reads volumes is made for, by what is known before any pixel is fetched."""

from __future__ import annotations

from pydantic import Field, model_validator

from cds.record.concepts import Strict


class Studies(Strict):
    modality: str = Field("CT", pattern=r"^[A-Z]{2,16}$", description="DICOM modality of the series it reads.")
    regions: tuple[str, ...] = Field(
        (),
        description="Words, in any language, one of which must be part of what the study is called; empty: any study.",
    )
    shortest_mm: float = Field(80.0, gt=0, description="What a scan must cover along the body, mm.")
    ages: tuple[int, int] = Field((18, 120), description="Youngest and oldest patient, years at the time of the scan.")

    @model_validator(mode="after")
    def _ages_rise(self) -> Studies:
        if self.ages[0] > self.ages[1]:
            raise ValueError("studies.ages: the youngest is older than the oldest")
        return self
