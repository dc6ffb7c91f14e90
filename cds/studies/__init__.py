"""Imaging studies, from the news of one to a stored reading: what to read, when, by whom, and what became of it.

    notify, poll, a hook call, a command -> intake (plan: which models) -> a job, a row of the ledger
    -> pipeline (fetch, choose, analyse, write back) -> reading -> the next card

A study is named by a keyed hash everywhere but in the job's own payload, which the worker needs to find it.
"""
