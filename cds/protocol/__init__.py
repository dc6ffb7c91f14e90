"""The wire: what CDS Hooks sends and what it wants back. No FHIR semantics, no HTTP, no clinical logic."""
