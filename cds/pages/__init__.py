"""What people look at: the demonstration EHR and the report behind a card.

``cds.pages.ehr`` is a client like any other: it knows FHIR and CDS Hooks over HTTP, no disease, and nothing of the
engine beside it. ``cds.pages.report`` is part of the service.
"""
