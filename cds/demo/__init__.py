"""What the demonstration runs on: a FHIR endpoint and an image archive in memory. Imported by it and by tests only."""
