"""What a network's classes are, in a hospital's words: codes for what is outlined, and which of them is measured how.

Written in the manifest beside the stages, so that whatever stores or shows a result needs to know no anatomy.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from cds.record.concepts import Strict


class Code(Strict):
    """A concept of a terminology, as DICOM writes it."""

    scheme: str = Field("SCT", min_length=1, max_length=16, description="DICOM coding scheme designator.")
    value: str = Field(min_length=1, max_length=16, description="The code.")
    meaning: str = Field(min_length=1, max_length=64, description="What it means, in English.")


class Structure(Strict):
    """One class that is outlined."""

    code: Code
    """What it is."""
    role: Literal["organ", "duct", "vessel", "other"] = Field(
        "other",
        description="`organ`: its volume is measured, lesions lie in it; `duct`: its width; `vessel`: contact with it.",
    )


class Legend(Strict):
    lesion: Code = Code(value="4147007", meaning="Mass")  # type: ignore[call-arg]
    """What a candidate is called before anyone has confirmed it."""
    structures: dict[str, Structure] = Field(
        default_factory=dict, description="By class name of the last stage; other classes are not outlined."
    )

    def named(self, role: str) -> tuple[str, ...]:
        """Classes of one role."""
        return tuple(name for name, shown in self.structures.items() if shown.role == role)

    @property
    def organ(self) -> Code | None:
        """Where lesions lie."""
        return next((shown.code for shown in self.structures.values() if shown.role == "organ"), None)
