"""What the clinical lead sets: which models speak, thresholds, urgency, suppression. Versioned by content."""
