"""Deployment settings: ``cds.toml``, overridden by environment variables, checked once at start.

Secrets come only from the environment or from files named here. Every setting has a default that is safe for a
hospital; what can't have one (a client's keys, the ledger key) is refused when missing, with what to do.
Environment names are ``CDS_`` + the setting, nested with ``__``: ``CDS_PORT``, ``CDS_FHIR__DEADLINE_S``.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from pathlib import Path
from typing import Any, Literal, Self, get_args
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from cds.errors import SettingsError

Algorithm = Literal["RS384", "ES384"]


class _Block(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FhirSettings(_Block):
    """How patient data is fetched when the EHR did not send it."""

    deadline_s: float = Field(2.0, gt=0, le=30, description="Time for all queries of one call together, seconds.")
    connect_timeout_s: float = Field(1.0, gt=0, le=10, description="Time to open one connection, seconds.")
    page_limit: int = Field(10, ge=1, le=100, description="Pages followed per query before it counts as cut off.")
    max_bytes: int = Field(20_000_000, ge=10_000, description="Largest answer read from a FHIR server, bytes.")
    retries: int = Field(2, ge=0, le=5, description="Repeats after 429, 502, 503, 504 or a lost connection.")
    pool_size: int = Field(64, ge=4, le=512, description="Most connections per worker and FHIR server.")


class PacsSettings(_Block):
    """One image archive with DICOMweb."""

    url: str = Field(description="DICOMweb base address, such as https://pacs.example/dicom-web.")
    allowed: tuple[str, ...] = Field((), description="Base addresses that may be called; empty: `url` alone.")
    clients: tuple[str, ...] = Field((), description="EHRs whose patients' studies are in it; empty: all.")
    user: str | None = Field(None, description="User name, for basic authentication.")
    password: SecretStr | None = Field(None, description="Password; from the environment or `password_file` only.")
    password_file: Path | None = Field(None, description="File that holds the password.")
    token_file: Path | None = Field(None, description="File that holds a bearer token; read again for each study.")
    certificate: Path | None = Field(None, description="Our own certificate (PEM), for mTLS.")
    key: Path | None = Field(None, description="Key of that certificate (PEM).")
    ca_file: Path | None = Field(None, description="Certificates (PEM) to trust; empty: the well-known ones.")
    allow_plain_credentials: bool = Field(False, description="true: credentials may travel over http.")
    connect_s: float = Field(5.0, gt=0, le=60, description="Time to open one connection, seconds.")
    idle_s: float = Field(30.0, gt=0, le=600, description="Longest silence within an answer, seconds.")
    total_s: float = Field(600.0, gt=0, le=7200, description="Time for one series with all its attempts, seconds.")
    attempts: int = Field(3, ge=1, le=10, description="Tries of a request whose connection drops or that gets 5xx.")
    max_bytes: int = Field(2_000_000_000, ge=1_000_000, description="Largest series read, bytes as sent.")
    max_slices: int = Field(2_000, ge=10, le=10_000, description="Largest series read, slices.")
    poll: bool = Field(False, description="true: the worker asks it for new studies.")

    @model_validator(mode="after")
    def _one_credential(self) -> Self:
        if self.password is not None and self.password_file is not None:
            raise ValueError("give 'password' or 'password_file', not both")
        if (self.user is None) != (self.password is None and self.password_file is None):
            raise ValueError("'user' and a password belong together; one is missing")
        if self.user is not None and self.token_file is not None:
            raise ValueError("give a user or a token, not both")
        if (self.certificate is None) != (self.key is None):
            raise ValueError("'certificate' and 'key' belong together; one is missing")
        return self


class ImagingSettings(_Block):
    """How studies are found, analysed and written back."""

    quiet_period_s: float = Field(300.0, ge=0, le=86_400, description="Wait after the last news of a study, seconds.")
    poll_s: float = Field(60.0, ge=1, le=86_400, description="How often the worker asks archives and EHRs, seconds.")
    poll_days: int = Field(2, ge=1, le=60, description="How far back a poll looks, days.")
    lookback_days: int = Field(180, ge=1, le=3650, description="An older scan is not analysed unasked, days.")
    fresh_days: int = Field(90, ge=1, le=3650, description="A reading of an older scan is called stale, days.")
    queue_limit: int = Field(200, ge=1, description="Jobs waiting, from which only people's requests are added.")
    most_attempts: int = Field(5, ge=1, le=50, description="Tries of one study before it counts as failed.")
    lease_s: float = Field(30.0, ge=1, le=600, description="A worker silent for this long has lost its job, seconds.")
    device: Literal["auto", "cpu", "cuda", "tensorrt"] = Field(
        "auto", description="Where networks run; `auto`: a GPU where there is one that works."
    )
    gpus: tuple[int, ...] = Field((0,), min_length=1, description="Numbers of the GPUs; one study at a time on each.")
    gpu_memory_mb: int = Field(0, ge=0, description="GPU memory one worker may take, MB; 0: all.")
    half: bool = Field(False, description="true: TensorRT may compute in 16 bits.")
    threads: int = Field(2, ge=1, le=64, description="Processor threads of one network, and of decoding.")
    write_pacs: bool = Field(False, description="true: results are stored in the archive as SEG and SR.")
    write_fhir: bool = Field(False, description="true: results are stored in the EHR as FHIR resources.")
    label_map: bool = Field(False, description="true: SEG as a label map; many archives know the binary form only.")
    viewer: str | None = Field(None, description="Address that shows a study, with `{study}` where its UID goes.")
    broker_url: SecretStr | None = Field(
        None, description="Redis or RabbitMQ that tells workers of new jobs; empty: they look in the database."
    )

    @field_validator("viewer")
    @classmethod
    def _has_a_place(cls, value: str | None) -> str | None:
        if value is not None and not (value.startswith(("https://", "http://")) and "{study}" in value):
            raise ValueError("must be an address with {study} in it")
        return value


class StudySource(_Block):
    """How an EHR tells of new imaging studies, and where results go."""

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
    fhir_access: bool = Field(True, description="false: answer from prefetch alone, never call the FHIR server.")
    language: str | None = Field(None, description="Language of the cards, when the call does not ask for one.")
    patient_facing: bool = Field(False, description="true: users may be patients; survival is never shown.")
    cors_origins: tuple[str, ...] = Field((), description="Browser origins that may call, such as a sandbox.")

    studies: StudySource = StudySource()  # type: ignore[call-arg]

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.authentication == "jwt":
            if not self.issuer:
                raise ValueError("'issuer' is missing: the `iss` value in this client's JWT")
            if sum(x is not None for x in (self.jwks, self.jwks_file, self.jku)) != 1:
                raise ValueError("give exactly one of 'jwks', 'jwks_file' or 'jku': where the client's keys are")
        return self

    @field_validator("jku")
    @classmethod
    def _https(cls, value: str | None) -> str | None:
        if value is None or value.startswith("https://"):
            return value
        if value.startswith("http://") and urlsplit(value).hostname in ("127.0.0.1", "::1", "localhost"):
            return value  # a test's own key server; the name as a whole, not a prefix of somebody's domain
        raise ValueError("must start with https://")

    @field_validator("fhir_servers")
    @classmethod
    def _bases(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for base in value:
            if not base.startswith(("https://", "http://")):
                raise ValueError(f"{base!r} is not an address: write https://host/path of the FHIR base")
        return value


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
        16, ge=2, le=128, description="Threads a worker; calls waiting on a FHIR server hold one each."
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
    language: str = Field("en", description="Language of the cards, when neither call nor client says.")
    ca_file: Path | None = Field(
        None, description="Certificates (PEM) to trust for FHIR servers and key sets; empty: the well-known ones."
    )
    timezone: str = Field("UTC", description="Time zone of dates that come without one, such as Europe/Amsterdam.")
    max_body_bytes: int = Field(8_000_000, ge=10_000, description="Largest request body accepted, bytes.")
    require_gpu: bool = Field(False, description="true: not ready unless models really run on a GPU.")
    environment: Literal["production", "demo"] = Field(
        "production", description="`demo` allows loopback clients and makes its own keys."
    )
    fhir: FhirSettings = FhirSettings()  # type: ignore[call-arg]
    clients: dict[str, ClientSettings] = Field(default_factory=dict, description="The EHRs that may call, by name.")
    imaging: ImagingSettings = ImagingSettings()  # type: ignore[call-arg]
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
        for name, client in self.clients.items():
            base = client.studies.fhir_base
            if base is not None and base.rstrip("/") not in [listed.rstrip("/") for listed in client.fhir_servers]:
                raise ValueError(f"client '{name}': studies.fhir_base is not among its fhir_servers")
        return self

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
        """The HMAC key of patient hashes.

        Raises SettingsError when there is none: without a key the hash could be reversed by trying every number.
        In a demo one is made and kept in ``data_dir``.
        """
        if self.ledger_key is not None:
            key = self.ledger_key.get_secret_value().encode()
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
        return key


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
    if path is None and (named := os.environ.get("CDS_SETTINGS")):
        path = Path(named)
    if path is None and Path("cds.toml").exists():
        path = Path("cds.toml")
    values: dict[str, Any] = {}
    if path is not None:
        try:
            values = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise SettingsError(f"settings file can't be read: {error}") from error
        except tomllib.TOMLDecodeError as error:
            raise SettingsError(f"{path}: not valid TOML: {error}") from error
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
