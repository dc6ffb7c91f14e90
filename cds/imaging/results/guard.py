"""``clinical_use: false`` has its teeth here: no permit, no object, no way to a PACS or a FHIR server.

A permit checks itself when it is made, so there is none that should not be. It asks three things only: whether the
bundle is for clinical use, whether the model's status allows that, and whether this is a demonstration; no policy,
setting or caller can add a fourth.
"""

from __future__ import annotations

from dataclasses import dataclass

from cds.imaging.reasons import Reason, Unusable
from cds.inference.manifest import Manifest, Status
from cds.settings import Settings

SHORT = "TEST"
LABEL = "Demonstration, not for clinical use"
LABELS = {"en": LABEL, "nl": "Demonstratie, niet voor klinisch gebruik"}


@dataclass(frozen=True)
class Permit:
    """Results of this network may be written here. Raises Unusable (not-for-clinical-use) where they may not."""

    clinical_use: bool
    status: Status
    environment: str

    def __post_init__(self) -> None:
        if self.environment != "demo" and (self.clinical_use is not True or not self.status.for_patients):
            raise Unusable(Reason.NOT_CLINICAL)

    @property
    def test(self) -> bool:
        """Every object says that it is one of a demonstration: the model's or the whole deployment's."""
        return self.environment == "demo" or not self.clinical_use

    def titled(self, text: str, most: int = 64) -> str:
        """``text`` behind the mark of a demonstration; 64 characters are what a DICOM LO holds."""
        return (f"{SHORT} {text}" if self.test else text)[:most]

    def noted(self, text: str, language: str = "en") -> str:
        """``text`` with the whole label before it."""
        return f"{SHORT}: {LABELS.get(language, LABEL)}. {text}".strip() if self.test else text


def permit(manifest: Manifest, settings: Settings) -> Permit:
    """Raises Unusable (not-for-clinical-use)."""
    volume = manifest.runtime.volume
    return Permit(volume is not None and volume.clinical_use, manifest.status, settings.environment)
