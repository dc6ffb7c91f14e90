"""What a policy would have done: past calls decided again, and what that means for work, for patients and for what is
missed.

Counts leave this room, never a patient; small ones are hidden. May import ledger, policy, services, cards, inference,
record and fhir.
"""
