"""Validating one model in several hospitals together, without a patient's row leaving any of them.

A coordinator signs a round: which model, whom, which outcome, which score bins. Each hospital counts, a person reads
what would leave, signs and sends it. The coordinator pools the counts::

    rounds.Round ──signed──► cases.read ─► payload.of ─► history (refuses overlaps) ─► review ─► sign ─► pooling.pool

Nothing here knows a disease or a network: files go in, files come out.
"""
