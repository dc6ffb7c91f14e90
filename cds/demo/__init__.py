"""What the demonstration runs on: an embedded FHIR endpoint and an embedded image archive. Imported by the demo and by tests only."""
