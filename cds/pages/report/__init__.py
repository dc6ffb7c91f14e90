"""The report behind a card: what each model said of this patient, why, how sure, and on what it rests.

Rendered from the ledger's stored answers; record and image archive are read for the timeline and the scans alone.
"""
