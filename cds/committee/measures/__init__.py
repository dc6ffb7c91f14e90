"""Pure statistics: arrays in, an estimate with its interval out, or the reason why there is none.

Nothing here knows a patient, a model or a database. Where follow-up ends before the horizon, people carry weights
(``cds.committee.measures.censoring``); every measure takes them. Imports NumPy and SciPy only.
"""
