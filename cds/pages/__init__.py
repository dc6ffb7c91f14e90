"""What people look at. The demonstration EHR here is a client like any other: it knows FHIR and CDS Hooks over HTTP,
no disease, and nothing of the engine beside it."""

from __future__ import annotations

from cds.pages.ehr import create_ehr

__all__ = ["create_ehr"]
