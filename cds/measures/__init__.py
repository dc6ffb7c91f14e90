"""Pure statistics: arrays in, an estimate with its interval out, or the reason why there is none.

The committee, the judging of cohort files, validation rounds and policy previews take their statistics from here, so
that a word means one thing in all of them. Nothing here knows a patient, a model or a database. Where follow-up ends
before the horizon, people carry weights (``cds.measures.censoring``); every measure takes them. Imports NumPy and SciPy
only.
"""
