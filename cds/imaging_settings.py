"""The blocks ``[pacs.NAME]``, ``[imaging]`` and ``[inference]``: where images are, and how they are read."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from cds.addresses import require_address


class _Block(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


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
    max_bytes: int = Field(4_500_000_000, ge=1_000_000, description="Largest series read, bytes as sent.")
    max_slices: int = Field(2_000, ge=10, le=10_000, description="Largest series read, slices.")
    max_decoded_bytes: int = Field(
        4_200_000_000,
        ge=1_000_000,
        description="Largest series read, bytes once decoded: 2 a pixel. A worker needs three times as much memory.",
    )
    study_series: int = Field(100, ge=1, le=10_000, description="Most series of one study that are read.")
    study_bytes: int = Field(
        10_000_000_000, ge=1_000_000, description="Bytes as sent after which no further series of a study is read."
    )
    study_s: float = Field(
        3600.0, gt=0, le=86_400, description="Time after which no further series of a study is read, seconds."
    )
    poll: bool = Field(False, description="true: the worker asks it for new studies.")

    @field_validator("url")
    @classmethod
    def _address(cls, value: str) -> str:
        return require_address(value, "https://pacs.hospital.example/dicom-web")

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
    away_h: float = Field(
        24.0,
        ge=0,
        le=720,
        description="How long a study is tried while its archive is away, hours; such tries do not count.",
    )
    lease_s: float = Field(30.0, ge=1, le=600, description="A worker silent for this long has lost its job, seconds.")
    silent_s: float = Field(
        900.0,
        ge=1,
        le=86_400,
        description="Longest silence of an analysis, seconds; then it hangs, and its worker ends itself. More than the"
        " `total_s` of every archive, than two minutes where `write_fhir` is on, and than TensorRT needs to build an"
        " engine.",
    )
    device: Literal["auto", "cpu", "cuda", "tensorrt"] = Field(
        "auto", description="Where networks run; `auto`: a GPU where there is one that works."
    )
    gpus: tuple[int, ...] = Field((0,), min_length=1, description="Numbers of the GPUs; one study at a time on each.")
    gpu_memory_mb: int = Field(0, ge=0, description="GPU memory one worker may take, MB; 0: all.")
    half: bool = Field(False, description="true: TensorRT may compute in 16 bits.")
    threads: int = Field(2, ge=1, le=64, description="Processor threads of one network, and of decoding.")
    nice: int = Field(
        10, ge=0, le=19, description="How far the worker gives way to other programs of its machine; 0: not at all."
    )
    write_pacs: bool = Field(False, description="true: results are stored in the archive as SEG and SR.")
    write_fhir: bool = Field(False, description="true: results are stored in the EHR as FHIR resources.")
    label_map: bool = Field(False, description="true: SEG as a label map; many archives know the binary form only.")
    viewer: str | None = Field(None, description="Address that shows a study, with `{study}` where its UID goes.")
    broker_url: SecretStr | None = Field(
        None, description="Redis or RabbitMQ that tells workers of new jobs; empty: they look in the database."
    )

    def require_patience_with(self, name: str, pacs: PacsSettings) -> None:
        """Raises ValueError where a worker that waits for this archive would count as hanging."""
        if self.silent_s <= pacs.total_s:
            raise ValueError(
                f"imaging.silent_s ({self.silent_s:g}) must be more than pacs '{name}' may take, its total_s "
                f"({pacs.total_s:g}), or a worker that waits for it ends itself: raise the one or lower the other"
            )

    @field_validator("viewer")
    @classmethod
    def _has_a_place(cls, value: str | None) -> str | None:
        if value is not None and not (value.startswith(("https://", "http://")) and "{study}" in value):
            raise ValueError("must be an address with {study} in it")
        return value


class InferenceSettings(_Block):
    """A model server for the networks that read scans."""

    url: str | None = Field(
        None, description="Base address of a server with the Open Inference Protocol; empty: the worker computes."
    )
    token_file: Path | None = Field(None, description="File with a bearer token for it; read each time.")
    timeout_s: float = Field(30.0, gt=0, le=600, description="Time for one request, seconds.")
    pause_s: float = Field(30.0, ge=0, le=3600, description="After a failure it is left alone for so long, seconds.")
    binary: bool = Field(False, description="true: tensors travel as bytes, which Triton and KServe understand.")
    fallback: bool = Field(True, description="false: without the server the study waits, nothing is computed here.")

    @field_validator("url")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        return value if value is None else require_address(value, "https://models.hospital.example")
