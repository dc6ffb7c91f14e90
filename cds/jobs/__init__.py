"""Durable work that outlives a call: rows of the ledger, claimed under a lease, finished once."""

from cds.jobs.job import Job, Outcome, Stop, Unfinished
from cds.jobs.queue import Jobs
from cds.jobs.worker import Handler, Progress, Worker

__all__ = ["Handler", "Job", "Jobs", "Outcome", "Progress", "Stop", "Unfinished", "Worker"]
