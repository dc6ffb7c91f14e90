"""The blocks ``[clients.NAME.backend]``, ``.dialect`` and ``.studies``: how this service signs in to a client's FHIR
server outside of a call, how that server wants to be asked, and how it tells of new imaging studies.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

SCOPES = ("system/*.read",)


class BackendSettings(BaseModel):
    """For imaging studies (polls, results written back) and `cds site check`. Calls bring a token of their own."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    client_id: str | None = Field(
        None,
        min_length=1,
        description="What the EHR's authorization server calls this service: tokens are fetched as SMART Backend "
        "Services says (`private_key_jwt`), signed with the first of `signing_keys`.",
    )
    token_url: str | None = Field(
        None,
        description="Address of its token endpoint; empty: what the FHIR server's SMART configuration names, if it is "
        "on the same host.",
    )
    scopes: tuple[str, ...] = Field(SCOPES, min_length=1, description="What is asked for with `client_id`.")
    token_file: Path | None = Field(None, description="File with a bearer token; read each time.")
    user: str | None = Field(None, description="User name, for basic authentication.")
    password: SecretStr | None = Field(None, description="Password; from the environment or `password_file` only.")
    password_file: Path | None = Field(None, description="File that holds the password; read each time.")
    certificate: Path | None = Field(
        None, description="Our own certificate (PEM), for mTLS with its FHIR servers and its token endpoint."
    )
    key: Path | None = Field(None, description="Key of that certificate (PEM).")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        ways = [self.client_id, self.token_file, self.user]
        if sum(x is not None for x in ways) > 1:
            raise ValueError("give one of 'client_id', 'token_file' and 'user'")
        if all(x is None for x in (*ways, self.certificate)):
            raise ValueError("give 'client_id', 'token_file', 'user' or, where mTLS is enough, 'certificate'")
        if self.password is not None and self.password_file is not None:
            raise ValueError("give 'password' or 'password_file', not both")
        if (self.user is None) != (self.password is None and self.password_file is None):
            raise ValueError("'user' and a password belong together; one is missing")
        if (self.certificate is None) != (self.key is None):
            raise ValueError("'certificate' and 'key' belong together; one is missing")
        if self.token_url is not None and self.client_id is None:
            raise ValueError("'token_url' is asked with a 'client_id', which is missing")
        return self


class DialectSettings(BaseModel):
    """For a server that falls short of the FHIR search it is asked with; `cds site check` finds what it needs."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    strict: bool = Field(True, description="false: it is not asked to refuse search parameters that it does not know.")
    leave_out: tuple[Literal["_sort", "_count", "code"], ...] = Field(
        (), description="Search parameters it does not know; without `code` all observations are read."
    )
    patient: Literal["patient", "typed", "subject"] = Field(
        "patient", description="`patient`: patient=1; `typed`: patient=Patient/1; `subject`: subject=Patient/1."
    )
    page: int = Field(0, ge=0, le=10_000, description="Largest page (`_count`) it takes; 0: any.")


class StudySource(BaseModel):
    """How an EHR tells of new imaging studies, and where results go."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    notify_secret_file: Path | None = Field(
        None, description="File with the bearer secret that the EHR's Subscription sends, 32 characters or more."
    )
    fhir_base: str | None = Field(None, description="FHIR base of this client that the worker may use.")
    token_file: Path | None = Field(None, description="File with the worker's bearer token for it; read each time.")
    poll: bool = Field(False, description="true: the worker asks it for new ImagingStudy resources.")

    @model_validator(mode="after")
    def _base_needed(self) -> Self:
        if self.poll and self.fhir_base is None:
            raise ValueError("'poll' needs 'fhir_base'")
        return self
