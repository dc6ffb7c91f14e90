"""Deployment settings: ``cds.toml``, overridden by environment variables, checked once at start.

Secrets come only from the environment or from files named here. Every setting has a default that is safe for a
hospital; what can't have one (a client's keys, the ledger key) is refused when missing, with what to do.
Environment names are ``CDS_`` + the setting, nested with ``__``: ``CDS_PORT``, ``CDS_FHIR__DEADLINE_S``.
"""

from __future__ import annotations

import difflib
import os
from datetime import date
from pathlib import Path
from typing import Any, Literal, Self, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from cds.addresses import loopback_address, require_address, require_secure
from cds.committee_settings import AuditSettings, CommitteeSettings, ConsoleSettings, OidcSettings
from cds.ehr_settings import BackendSettings, DialectSettings, StudySource
from cds.errors import SettingsError
from cds.imaging_settings import ImagingSettings, InferenceSettings, PacsSettings
from cds.ledger_key import whole
from cds.settings_file import read, settings_file
from cds.smart_settings import SmartSettings
from cds.tracing_settings import TracingSettings

__all__ = [
    "ApproverSettings",
    "AuditSettings",
    "BackendSettings",
    "ClientSettings",
    "CommitteeSettings",
    "ConsoleSettings",
    "DialectSettings",
    "FhirSettings",
    "ImagingSettings",
    "InferenceSettings",
    "OidcSettings",
    "PacsSettings",
    "Settings",
    "SmartSettings",
    "StudySource",
    "TracingSettings",
    "explain",
    "load",
]

Algorithm = Literal["RS384", "ES384"]


class _Block(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FhirSettings(_Block):
    """How patient data is fetched when the EHR did not send it."""

    deadline_s: float = Field(2.0, gt=0, le=30, description="Time for all queries of one call together, seconds.")
    connect_timeout_s: float = Field(1.0, gt=0, le=10, description="Time to open one connection, seconds.")
    page_limit: int = Field(10, ge=1, le=100, description="Pages followed per query before it counts as cut off.")
    max_bytes: int = Field(20_000_000, ge=10_000, description="Largest answer read from a FHIR server, bytes.")
    retries: int = Field(2, ge=0, le=5, description="Repeats after 429, 5xx but 501 and 505, or a lost connection.")
    pool_size: int = Field(64, ge=4, le=512, description="Queries at a time per worker and FHIR server.")


class ClientSettings(_Block):
    """One EHR (tenant) that may call."""

    issuer: str | None = Field(None, description="`iss` of the client's JWT, exactly as sent.")
    authentication: Literal["jwt", "loopback"] = Field(
        "jwt", description="`loopback` skips the JWT, for calls from this machine only; never for a hospital."
    )
    jwks: dict[str, Any] | None = Field(None, description="The client's public keys, inline (a JWK Set).")
    jwks_file: Path | None = Field(None, description="The client's public keys as a file; read again when changed.")
    jku: str | None = Field(None, description="https address of the client's key set. The only one ever fetched.")
    algorithms: tuple[Algorithm, ...] = Field(("RS384", "ES384"), description="Signature algorithms accepted.")
    tenant: str | None = Field(None, description="If set, the JWT's `tenant` must equal it.")
    fhir_servers: tuple[str, ...] = Field((), description="FHIR base addresses this client may name; no others.")
    allow_plain_http: bool = Field(
        False, description="true: in production, too, a FHIR server may be called over http; records travel open."
    )
    fhir_access: bool = Field(True, description="false: answer from prefetch alone, never call the FHIR server.")
    language: str | None = Field(None, description="Language of the cards, when the call does not ask for one.")
    patient_facing: bool = Field(False, description="true: users may be patients; survival is never shown.")
    cors_origins: tuple[str, ...] = Field((), description="Browser origins that may call, such as a sandbox.")

    studies: StudySource = StudySource()  # type: ignore[call-arg]
    smart: SmartSettings | None = None
    backend: BackendSettings | None = None
    dialect: DialectSettings = DialectSettings()  # type: ignore[call-arg]

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.authentication == "jwt":
            if not self.issuer:
                raise ValueError("'issuer' is missing: the `iss` value in this client's JWT")
            if sum(x is not None for x in (self.jwks, self.jwks_file, self.jku)) != 1:
                raise ValueError("give exactly one of 'jwks', 'jwks_file' or 'jku': where the client's keys are")
        if self.backend is not None and self.studies.token_file is not None:
            raise ValueError("'studies.token_file' and a 'backend' block both say how to sign in; give one")
        return self

    @field_validator("jku")
    @classmethod
    def _https(cls, value: str | None) -> str | None:
        own = value is not None and value.startswith("http://") and loopback_address(value)  # a test's key server
        if value is None or value.startswith("https://") or own:
            return value
        raise ValueError("must start with https://")

    @field_validator("fhir_servers")
    @classmethod
    def _bases(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(require_address(base, "https://ehr.hospital.example/fhir") for base in value)


class ApproverSettings(_Block):
    """A person who may approve versions of the policy."""

    until: date | None = Field(None, description="Last day on which they may; empty: until taken out.")


class Settings(BaseSettings):
    """Everything a deployment sets. See docs/settings.md."""

    model_config = SettingsConfigDict(
        env_prefix="CDS_", env_nested_delimiter="__", extra="forbid", frozen=True, validate_default=True
    )

    public_url: str = Field(
        "http://127.0.0.1:8080", description="Address the EHR calls; JWT `aud` is checked against it."
    )
    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8080, ge=1, le=65535, description="Port to listen on.")
    workers: int = Field(2, ge=1, le=64, description="gunicorn worker processes; about one a core.")
    threads: int = Field(
        16, ge=2, le=128, description="Hook calls a worker has in hand, with those that wait on a FHIR server."
    )
    longest_wait_s: float = Field(
        0.25,
        gt=0,
        le=10,
        description="Longest that a call waits until a worker begins with it, seconds; one that would wait longer is "
        "refused at once with 503. In an overload an eighth of it, or the time of four calls if longer.",
    )
    longest_arrival_s: float = Field(
        10.0,
        gt=0,
        le=25,
        description="Longest that a request takes to arrive, from its first byte to its last, seconds; one that takes "
        "longer is refused with 408. A connection that is silent for 30 s is closed in any case.",
    )
    leaving_s: float = Field(
        5.0,
        ge=0,
        le=60,
        description="How long the service, told to stop (SIGTERM), still answers calls while `/ready` says 503, "
        "seconds; longer than a balancer takes to notice. 0: it ends at once, calls in hand finished.",
    )
    data_dir: Path = Field(Path("var"), description="Folder for the embedded database, the spool and generated keys.")
    database_url: str | None = Field(None, description="SQLAlchemy URL of the ledger; empty: SQLite in data_dir.")
    ledger_key: SecretStr | None = Field(None, description="Key of the patient hash, 32 characters or more.")
    ledger_key_file: Path | None = Field(None, description="File that holds the key of the patient hash.")
    policy_file: Path | None = Field(None, description="The clinical lead's policy.yaml; empty: the packaged one.")
    policy_poll_s: float = Field(2.0, gt=0, le=60, description="How often a worker looks for a changed policy.")
    concept_map: Path | None = Field(None, description="FHIR ConceptMap with this site's local codes and units.")
    model_dirs: tuple[Path, ...] = Field((), description="Mounted folders with further models.")
    hook_dirs: tuple[Path, ...] = Field((), description="Mounted folders with further services.")
    wording_dir: Path | None = Field(
        None, description="Folder with this site's own sentences, `en.yaml`, `nl.po` and so on; see docs/wording.md."
    )
    language: str = Field("en", description="Language of the cards, when neither call nor client says.")
    ca_file: Path | None = Field(
        None, description="Certificates (PEM) to trust for FHIR servers and key sets; empty: the well-known ones."
    )
    signing_keys: tuple[Path, ...] = Field(
        (),
        description="Our own private keys (PEM, RSA or P-384). The first signs; the public halves of all are at "
        "/.well-known/jwks.json, so that a new one is known before it signs.",
    )
    timezone: str = Field("UTC", description="Time zone of dates that come without one, such as Europe/Amsterdam.")
    max_body_bytes: int = Field(8_000_000, ge=10_000, description="Largest request body accepted, bytes.")
    require_gpu: bool = Field(False, description="true: not ready unless models really run on a GPU.")
    environment: Literal["production", "demo"] = Field(
        "production", description="`demo` allows loopback clients and makes its own keys."
    )
    fhir: FhirSettings = FhirSettings()  # type: ignore[call-arg]
    approvers: dict[str, ApproverSettings] = Field(
        default_factory=dict, description="Who may approve a version of the policy (`cds policy approve`), by name."
    )
    clients: dict[str, ClientSettings] = Field(default_factory=dict, description="The EHRs that may call, by name.")
    imaging: ImagingSettings = ImagingSettings()  # type: ignore[call-arg]
    inference: InferenceSettings = InferenceSettings()  # type: ignore[call-arg]
    committee: CommitteeSettings = CommitteeSettings()  # type: ignore[call-arg]
    audit: AuditSettings = AuditSettings()  # type: ignore[call-arg]
    tracing: TracingSettings = TracingSettings()  # type: ignore[call-arg]
    pacs: dict[str, PacsSettings] = Field(default_factory=dict, description="The image archives, by name.")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        # the file is passed as init values; the environment wins over it
        return env_settings, init_settings

    @field_validator("public_url")
    @classmethod
    def _called(cls, value: str) -> str:
        return require_address(value, "https://cds.hospital.example")

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError(f"{value!r} is not a time zone; write one such as Europe/Amsterdam") from error
        return value

    @property
    def ledger_url(self) -> str:
        return self.database_url or f"sqlite:///{(self.data_dir / 'ledger.db').resolve()}"

    @model_validator(mode="after")
    def _names_known(self) -> Self:
        for name, pacs in self.pacs.items():
            if unknown := sorted(set(pacs.clients) - set(self.clients)):
                raise ValueError(f"pacs '{name}' names clients that are not set: {', '.join(unknown)}")
            self.imaging.require_patience_with(name, pacs)
        for name, client in self.clients.items():
            base = client.studies.fhir_base
            if base is not None and base.rstrip("/") not in [listed.rstrip("/") for listed in client.fhir_servers]:
                raise ValueError(f"client '{name}': studies.fhir_base is not among its fhir_servers")
        return self

    @model_validator(mode="after")
    def _records_travel_sealed(self) -> Self:
        """A certificate is also what tells a listed server from another that its name was made to lead to."""
        for name, client in self.clients.items():
            if self.environment == "production" and not client.allow_plain_http and client.fhir_access:
                try:
                    require_secure("fhir_servers", *client.fhir_servers)
                except ValueError as error:
                    raise ValueError(
                        f"client '{name}': {error}, or say 'allow_plain_http = true' where something else encrypts"
                    ) from error
        return self

    @model_validator(mode="after")
    def _reports_safe(self) -> Self:
        """A launch names its client by the FHIR server alone, and secrets travel: both must be certain."""
        for name, client in self.clients.items():
            if client.smart is None:
                continue
            try:
                require_secure("public_url", self.public_url)
                require_secure("fhir_servers", *client.fhir_servers)
                require_secure("smart.allowed", *client.smart.allowed)
            except ValueError as error:
                raise ValueError(f"client '{name}' has a 'smart' block: {error}") from error
            if not client.fhir_servers:
                raise ValueError(f"client '{name}' has a 'smart' block, so its 'fhir_servers' must be listed")
            mine = {base.rstrip("/") for base in client.fhir_servers}
            for other, beside in self.clients.items():
                if other != name and mine & {base.rstrip("/") for base in beside.fhir_servers}:
                    raise ValueError(
                        f"clients '{name}' and '{other}' list the same FHIR server, so a report's launch would not "
                        "tell which of them it comes from: give a server to one client only"
                    )
        return self

    @model_validator(mode="after")
    def _sign_in_safe(self) -> Self:
        for name, client in self.clients.items():
            if client.backend is None:
                continue
            try:
                require_secure("fhir_servers", *client.fhir_servers)
                require_secure("backend.token_url", *filter(None, [client.backend.token_url]))
            except ValueError as error:
                raise ValueError(f"client '{name}' has a 'backend' block: {error}") from error
            if client.backend.client_id is not None and not self.signing_keys:
                raise ValueError(
                    f"client '{name}': 'backend.client_id' needs 'signing_keys'; `cds site key FILE` makes one"
                )
        return self

    @property
    def bare_cookies(self) -> bool:
        """Whether cookies go without ``Secure``: a demonstration on this machine, without TLS. Nowhere else."""
        plain = self.public_url.startswith("http://") and loopback_address(self.public_url)
        return self.environment == "demo" and plain

    @model_validator(mode="after")
    def _loopback_only_in_demo(self) -> Self:
        for name, client in self.clients.items():
            if client.authentication == "loopback":
                if self.environment != "demo":
                    raise ValueError(
                        f'client \'{name}\' has authentication = "loopback", which only environment = "demo" allows'
                    )
                if self.host not in ("127.0.0.1", "::1", "localhost"):
                    raise ValueError(
                        f"client '{name}' is a loopback client, so 'host' must be 127.0.0.1, not {self.host}"
                    )
        return self

    def load_ledger_key(self) -> bytes:
        """The HMAC key of patient hashes, or all of them (cds.ledger_key). In a demo one is kept in ``data_dir``.

        Raises SettingsError when there is none: without a key the hash could be reversed by trying every number.
        """
        if self.ledger_key is not None:
            key = self.ledger_key.get_secret_value().encode()  # of a lone key blanks at its ends count
        elif self.ledger_key_file is not None:
            try:
                key = self.ledger_key_file.read_bytes().strip()
            except OSError as error:
                raise SettingsError(f"ledger_key_file can't be read: {error}") from error
        elif self.environment == "demo":
            key = _made_once(self.data_dir / "ledger.key")
        else:
            raise SettingsError(
                "no ledger key: set CDS_LEDGER_KEY or ledger_key_file to a random secret of 32 characters or more "
                "(for example from `openssl rand -hex 32`) and keep it for as long as the ledger"
            )
        if len(key) < 32 or len(set(key)) < 8:
            raise SettingsError("the ledger key is too weak: use 32 random characters or more")
        return whole(key)


def _made_once(path: Path) -> bytes:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_bytes().strip()
    with os.fdopen(descriptor, "wb") as file:
        file.write(os.urandom(32).hex().encode())
    return path.read_bytes().strip()


def load(path: Path | None = None, **overrides: Any) -> Settings:
    """Read ``path`` (else ``$CDS_SETTINGS``, else ``cds.toml`` if it exists), then the environment.

    Raises SettingsError listing every fault, each with the key, what is wrong and, for a misspelt key, what was
    probably meant.
    """
    path = settings_file(path)
    values = read(path) if path is not None else {}
    try:
        return Settings(**{**values, **overrides})
    except ValidationError as error:
        raise SettingsError(explain(error, where=str(path or "environment"))) from error


def explain(error: ValidationError, *, where: str) -> str:
    """Pydantic's list of faults as sentences, with the nearest right key for a wrong one."""
    lines = []
    for fault in error.errors():
        key = ".".join(str(part) for part in fault["loc"]) or "(top level)"
        if fault["type"] == "extra_forbidden":
            known = _known_keys(fault["loc"])
            near = difflib.get_close_matches(str(fault["loc"][-1]), known, n=1)
            hint = f"; did you mean '{near[0]}'?" if near else f"; known are: {', '.join(sorted(known))}"
            lines.append(f"{where}: '{key}' is not a setting{hint}")
        else:
            lines.append(f"{where}: {key}: {fault['msg'].removeprefix('Value error, ')}")
    return "\n".join(lines)


def _known_keys(location: tuple[int | str, ...]) -> list[str]:
    model: type[BaseModel] = Settings
    for part in location[:-1]:
        field = model.model_fields.get(str(part))
        if field is None:
            continue
        candidates = [field.annotation, *get_args(field.annotation)]
        nested = [c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)]
        if nested:
            model = nested[0]
    return list(model.model_fields)
