"""The block ``[clients.NAME.smart]``: how a card's link opens the report inside that client's EHR."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

EHR_LAUNCH = ("launch", "openid", "fhirUser", "patient/*.read")


class SmartSettings(BaseModel):
    """How the report is opened from the EHR (SMART App Launch 2). Without it cards carry no link to a report."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    client_id: str = Field(min_length=1, description="What the EHR's authorization server calls this app.")
    secret: SecretStr | None = Field(None, description="The app's secret; from the environment or `secret_file` only.")
    secret_file: Path | None = Field(None, description="File that holds the app's secret.")
    key_file: Path | None = Field(
        None, description="The app's private key (PEM, RSA or P-384), in place of a secret: `private_key_jwt`."
    )
    key_id: str | None = Field(None, description="`kid` of that key, as registered with the EHR.")
    scopes: tuple[str, ...] = Field(
        EHR_LAUNCH,
        min_length=1,
        description="What is asked for; a launch outside the EHR asks for `launch/patient` in place of `launch`.",
    )
    allowed: tuple[str, ...] = Field(
        (),
        description="Base addresses of the authorization server, and of pages that may embed the report; "
        "empty: the servers of `fhir_servers` and, where it is an address, `issuer`.",
    )
    link_hours: float = Field(72.0, gt=0, le=8760, description="How long a card's link opens its report, hours.")
    session_minutes: float = Field(60.0, gt=0, le=1440, description="How long an opened report stays open, minutes.")
    embedded: bool = Field(False, description="true: the EHR shows the report in a frame of its own page.")

    @model_validator(mode="after")
    def _one_credential(self) -> Self:
        if sum(x is not None for x in (self.secret, self.secret_file, self.key_file)) > 1:
            raise ValueError("give one of 'secret', 'secret_file' and 'key_file', or none for a public client")
        if self.key_id is not None and self.key_file is None:
            raise ValueError("'key_id' names the key of 'key_file', which is missing")
        return self
