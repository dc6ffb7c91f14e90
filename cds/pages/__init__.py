"""What people look at: the report behind a card, and the demonstration EHR.

The EHR here is a client like any other: it knows FHIR and CDS Hooks over HTTP, no disease, and nothing of the engine
beside it. The report is the engine's own, rendered from the ledger.
"""
