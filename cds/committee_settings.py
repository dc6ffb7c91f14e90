"""The blocks ``[committee]`` and ``[audit]``: who watches the models, and how long what happened is kept."""

from __future__ import annotations

import re
from ipaddress import ip_network
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from cds.addresses import require_secure

_DURATION = re.compile(r"^(\d+)([dmy])$")
_DAYS = {"d": 1.0, "m": 365.25 / 12, "y": 365.25}


class OidcSettings(BaseModel):
    """The hospital's own sign-in (OpenID Connect) for the committee's console."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    issuer: str = Field(description="Address of the provider; `/.well-known/openid-configuration` lies below it.")
    client_id: str = Field(min_length=1, description="What the provider calls this app.")
    secret: SecretStr | None = Field(None, description="The app's secret; from the environment or `secret_file` only.")
    secret_file: Path | None = Field(None, description="File that holds the app's secret.")
    scopes: tuple[str, ...] = Field(("openid", "profile"), description="What is asked for; `openid` must be among it.")
    name_claim: str = Field("name", description="Claim of the id_token that names the person.")
    role_claim: str = Field("roles", description="Claim that says what the person may do: a text or a list of texts.")
    members: tuple[str, ...] = Field((), description="Values of that claim that make a member of the committee.")
    viewers: tuple[str, ...] = Field((), description="Values of that claim that make somebody who may only look.")

    @field_validator("issuer")
    @classmethod
    def _https(cls, value: str) -> str:
        require_secure("committee.console.oidc.issuer", value)
        return value.rstrip("/")

    @model_validator(mode="after")
    def _usable(self) -> Self:
        if "openid" not in self.scopes:
            raise ValueError("'scopes' must hold 'openid'")
        if self.secret is not None and self.secret_file is not None:
            raise ValueError("give 'secret' or 'secret_file', not both")
        if not self.members and not self.viewers:
            raise ValueError("say who may come in: 'members' or 'viewers', values of the role claim")
        return self


class ConsoleSettings(BaseModel):
    """The committee's pages under `/committee/`. Without accounts and without OpenID Connect there are none."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    accounts_file: Path | None = Field(
        None, description="Local accounts, made with `cds committee account`; meant for a demonstration."
    )
    oidc: OidcSettings | None = None
    trusted_proxies: tuple[str, ...] = Field(
        (),
        description="Addresses or ranges of the proxies in front, such as `10.0.0.0/8`: their word alone is taken for "
        "where a sign-in comes from (X-Forwarded-For), so that who guesses passwords is slowed down and nobody else.",
    )
    session_h: float = Field(8.0, gt=0, le=24, description="How long somebody stays signed in, hours.")

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            try:
                ip_network(text.strip())
            except ValueError as error:
                raise ValueError(f"{text!r} is no address or range: write 10.1.2.3 or 10.0.0.0/8") from error
        return value

    @property
    def on(self) -> bool:
        return self.accounts_file is not None or self.oidc is not None


class CommitteeSettings(BaseModel):
    """The committee's charter, and how soon what it decides takes effect."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    charter_file: Path | None = Field(None, description="The committee's charter; empty: the packaged one.")
    poll_s: float = Field(
        5.0, gt=0, le=30, description="How often a process looks whether the committee has stopped a model, seconds."
    )
    every_h: float = Field(
        24.0, ge=0, le=720, description="How often `cds worker` evaluates every model, hours; 0: never by itself."
    )
    outcomes_h: float = Field(
        168.0, ge=0, le=8760, description="How often `cds worker` asks EHRs for outcomes, hours; 0: never by itself."
    )
    keep_snapshots: bool = Field(
        True,
        description="true: what a card was made from is kept, sealed, so that `cds replay` can make it again; false: "
        "only its predictions can be checked.",
    )
    console: ConsoleSettings = ConsoleSettings()  # type: ignore[call-arg]


_LEAST_KEPT = 183.0
"""Days. Regulation (EU) 2024/1689, article 26(6): logs are kept for six months at least."""


class AuditSettings(BaseModel):
    """How what happened is protected, and how long it is kept."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seal_s: float = Field(
        60.0,
        ge=0,
        le=86_400,
        description="How often `cds serve` links new rows to the audit's chain, seconds; 0: never.",
    )
    keep: str = Field(
        "10y",
        description="How long rows about people are kept before `cds audit purge` removes them: six months or more.",
    )

    @field_validator("keep")
    @classmethod
    def _long_enough(cls, value: str) -> str:
        match = _DURATION.match(value)
        if match is None:
            raise ValueError(f"{value!r} is not a duration: write a whole number and d, m or y, such as 10y")
        if int(match[1]) * _DAYS[match[2]] < _LEAST_KEPT - 1:
            raise ValueError(f"{value!r} is too short: logs of such a system are kept for six months at least")
        return value
