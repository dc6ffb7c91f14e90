"""The report behind a card: assembled from what was stored when the card was made and from the patient's record."""
