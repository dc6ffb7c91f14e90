"""From hospitals' counts to one answer: each hospital with its interval, all together, and what the next one may
expect."""
