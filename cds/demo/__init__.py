"""What the demonstration runs on: an embedded FHIR endpoint. Imported by the demo and by tests only."""
