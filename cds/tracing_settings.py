"""The block ``[tracing]``: where traces of calls and study jobs go, if anywhere."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, field_validator


class TracingSettings(BaseModel):
    """OpenTelemetry, off unless ``endpoint`` is set."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    endpoint: str | None = Field(
        None,
        description="Address of an OTLP/HTTP collector, such as http://collector:4318/v1/traces; empty: no traces. "
        "Needs the extra `telemetry`.",
    )
    sample: float = Field(
        1.0, ge=0, le=1, description="Share of calls and jobs that are traced, unless the caller's `traceparent` says."
    )
    service: str = Field("cds", pattern=r"^[A-Za-z0-9._-]{1,60}$", description="Name of this service in the traces.")
    authorization_file: Path | None = Field(
        None, description="File that holds the `Authorization` header for the collector, where it asks for one."
    )

    @field_validator("endpoint")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("https://", "http://")):
            raise ValueError("must be an address such as http://collector:4318/v1/traces")
        return value
