"""A hospital that never ends: years of calls, cards, feedback and outcomes drawn by chance, with faults put in.

It proves the committee's monitors, which are the real ones: what is drawn has the form of the ledger's rows, and the
measures, limits and verdicts that judge it are those of ``cds.committee``::

    subject (model and charter) ─► hospital.drawn ─► watch.Watcher ─► trial
                                         └─► written (into a ledger of its own, for the console and for replay)

The model is an invented one, and so are the patients: nothing here says how often a real site gets an alarm.
"""
