"""The committee's room: is each model still right here, and what is done when it is not.

Its parts need different things: ``measures`` is NumPy and SciPy alone and knows no ledger; ``standing`` is on the way
of every call and needs neither; the rest joins the ledger's rows with both.
"""
