"""Guidelines that stay current: which are overdue, how they travel as FHIR, and what an update would change.

May import inference, policy, ledger and record. A card asks here whether what it rests on is overdue; a committee's
page asks for all that are (``overdue``).
"""

from cds.guidelines.standing import Currency, currency, overdue, standing_of

__all__ = ["Currency", "currency", "overdue", "standing_of"]
