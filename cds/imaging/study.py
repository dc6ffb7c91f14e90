"""A study in the PACS to the one volume to analyse: list its series, fetch the likely ones, choose.

A PACS that fails is an error, to be tried again later. A series that can't be used is a verdict, and the next is tried.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

from cds.imaging.dicomweb import DicomWeb, SeriesRow
from cds.imaging.fetch import Series, fetch_series
from cds.imaging.pacs import Limits
from cds.imaging.reasons import IDENTITY, Note, Reason, Remark, Unusable
from cds.imaging.series import Choice, Verdict, Wanted, choose, worth_fetching

_PACS_AT_FAULT = frozenset(
    {
        Reason.PACS_NOT_LISTED,
        Reason.PACS_UNREACHABLE,
        Reason.PACS_TIMEOUT,
        Reason.PACS_REFUSED,
        Reason.PACS_UNTRUSTED,
        Reason.PACS_FAILED,
        Reason.PACS_REDIRECTED,
        Reason.PACS_MALFORMED,
        Reason.TRUNCATED,
        Reason.INCOMPLETE,
    }
)


def choose_volume(
    web: DicomWeb,
    study_uid: str,
    wanted: Wanted,
    *,
    threads: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    alive: Callable[[], None] = lambda: None,
    last: bool = False,
) -> Choice:
    """``progress(done, of)`` is called before each series, ``alive`` as bytes of one arrive; both may raise.

    ``last``: there will be no other attempt, so a series that did not arrive whole no longer spoils the others. Raises
    Unusable when the PACS failed, or sent images of somebody else: then no choice was made.
    """
    rows, refused = worth_fetching(web.series(study_uid), wanted)
    at_fault = _PACS_AT_FAULT - {Reason.INCOMPLETE} if last else _PACS_AT_FAULT

    def fetched(row: SeriesRow) -> Series | Verdict:
        try:
            return fetch_series(web, study_uid, row.uid, expected=row.instances, threads=threads, alive=alive)
        except Unusable as error:
            if error.reason in at_fault | IDENTITY:
                raise
            return Verdict(row.uid, row.description, refused=error.reason, detail=error.detail)

    def come() -> Iterator[Series | Verdict]:
        yield from refused
        began, before = time.monotonic(), web.received
        for done, row in enumerate(rows):
            if progress is not None:
                progress(done, len(rows))
            limit = _reached(web.limits, done, web.received - before, time.monotonic() - began)
            if limit:
                yield Verdict(row.uid, row.description, refused=Reason.STUDY_LIMIT, detail=limit)
            else:
                yield fetched(row)

    return _with_what_lacked(choose(come(), wanted))


def _with_what_lacked(choice: Choice) -> Choice:
    """Says beside the volume that other series did not arrive whole. Raises Unusable (incomplete) where there is no
    volume: one of those might have been it."""
    lacking = [verdict for verdict in choice.considered if verdict.refused is Reason.INCOMPLETE]
    if not lacking:
        return choice
    if choice.chosen is None:
        raise Unusable(Reason.INCOMPLETE, lacking[0].detail)
    said = replace(choice.chosen, remarks=(*choice.chosen.remarks, Remark(Note.OTHERS_INCOMPLETE, str(len(lacking)))))
    considered = tuple(said if verdict is choice.chosen else verdict for verdict in choice.considered)
    return Choice(choice.volume, said, choice.reason, considered)


def _reached(limits: Limits, series: int, size: int, seconds: float) -> str:
    """The limit of a whole study that has been reached; "" for none. The likeliest series came first."""
    if series >= limits.study_series:
        return f"({series} series read)"
    if size >= limits.study_bytes:
        return f"({size} bytes read)"
    return f"({seconds:.0f} s spent)" if seconds >= limits.study_s else ""
