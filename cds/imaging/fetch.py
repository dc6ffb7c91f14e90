"""A series from the wire to slices in Hounsfield units: parsed as it arrives, decoded beside it, all or nothing.

The reading thread splits and parses; a few more decode, with the interpreter lock released. The number of frames
waiting to be decoded is bounded, so a slow decoder slows the PACS down instead of filling memory. Nothing is written
anywhere: a fetch that fails leaves nothing behind.
"""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from cds.imaging.codecs import Layout
from cds.imaging.dicomweb import DicomWeb
from cds.imaging.frames import Frame
from cds.imaging.instance import About, Instance, Part, read
from cds.imaging.pacs import Limits
from cds.imaging.pixels import hounsfield
from cds.imaging.reasons import Note, Reason, Remark, Unusable
from cds.imaging.stacks import Slice

_WAITING = 4
"""Frames in memory and not yet decoded, for each decoding thread."""


@dataclass(frozen=True, eq=False)
class Series:
    """All usable slices of one series, in no order."""

    uid: str
    about: About
    slices: tuple[Slice, ...]
    remarks: tuple[Remark, ...]


def fetch_series(
    web: DicomWeb,
    study_uid: str,
    series_uid: str,
    *,
    expected: int | None = None,
    threads: int | None = None,
    alive: Callable[[], None] = lambda: None,
) -> Series:
    """The whole series or Unusable. A dropped connection is retried from the start.

    ``expected``: instances the PACS said it has; fewer is incomplete. ``threads``: decoders, default one a processor
    and four at most. ``alive`` is called as bytes arrive; it may raise.
    """

    def once(deadline: float) -> Series:
        with web.series_parts(study_uid, series_uid, deadline, alive) as parts:
            return read_series(parts, web.limits, study_uid, series_uid, expected=expected, threads=threads)

    if expected is not None and expected > web.limits.max_slices:
        raise Unusable(Reason.TOO_MANY_SLICES, f"({expected})")
    return web.connection.patiently(once)


def read_series(
    parts: Iterable[bytes],
    limits: Limits,
    study_uid: str,
    series_uid: str,
    *,
    expected: int | None = None,
    threads: int | None = None,
) -> Series:
    """``parts``: instances as stored (DICOM PS3.10). Raises Unusable; then all threads have ended."""
    gathering = _Gathering(study_uid, series_uid, limits)
    with _Decoders(threads or max(1, min(4, os.cpu_count() or 1))) as decoders:
        for raw in parts:
            instance = read(raw)
            if not gathering.take(instance):
                continue
            for frame, payload in instance.payloads():
                decoders.decode(frame, payload, instance)
        slices = decoders.finish()
    if expected is not None and gathering.instances < expected:
        raise Unusable(Reason.INCOMPLETE, f"({gathering.instances} of {expected})")
    return gathering.series(slices)


class _Gathering:
    """What has come so far, and whether it belongs together."""

    def __init__(self, study_uid: str, series_uid: str, limits: Limits) -> None:
        self._study_uid, self._series_uid, self._limits = study_uid, series_uid, limits
        self._seen: set[str] = set()
        self._patient: tuple[str, str] | None = None
        self._about: About | None = None
        self._frames = self._decoded_bytes = 0
        self._left_out: Counter[Reason] = Counter()
        self._remarks: dict[Remark, None] = {}
        self._parts: list[Part] = []

    @property
    def instances(self) -> int:
        return len(self._seen)

    def take(self, instance: Instance) -> bool:
        """False for an instance sent before. Raises Unusable, before anything of the instance is decoded:
        foreign-instance, several-patients, too-many-slices, too-large."""
        if (instance.study_uid, instance.series_uid) != (self._study_uid, self._series_uid):
            raise Unusable(Reason.FOREIGN_INSTANCE)
        if self._patient is None:
            self._patient = instance.patient
        elif instance.patient != self._patient:
            raise Unusable(Reason.SEVERAL_PATIENTS)
        if instance.sop_uid in self._seen:
            return False
        self._seen.add(instance.sop_uid)
        self._frames += max(1, len(instance.frames))
        if self._frames > self._limits.max_slices:
            raise Unusable(Reason.TOO_MANY_SLICES, f"(more than {self._limits.max_slices})")
        self._decoded_bytes += instance.decoded_bytes
        if self._decoded_bytes > self._limits.max_decoded_bytes:
            raise Unusable(Reason.TOO_LARGE, f"(more than {self._limits.max_decoded_bytes} bytes once decoded)")
        self._left_out.update(instance.left_out)
        self._remarks |= dict.fromkeys(instance.remarks)
        if instance.concatenation:
            self._parts.append(instance.concatenation)
        if instance.frames and self._about is None:
            self._about = instance.about
        return True

    def series(self, slices: tuple[Slice, ...]) -> Series:
        """Raises Unusable: incomplete, not-found, or the commonest reason why nothing could be used."""
        for uid in {part.whole for part in self._parts}:
            came = [part for part in self._parts if part.whole == uid]
            # where no part says how many there are, those that are numbered higher say that one before them lacks
            count = max(max(part.total, part.number) for part in came)
            if len(came) < count or not all(part.number for part in came):
                raise Unusable(Reason.INCOMPLETE, f"({len(came)} of {count or 'unnumbered'} parts of a concatenation)")
        if not slices or self._about is None:
            reason = self._left_out.most_common(1)[0][0] if self._left_out else Reason.NOT_FOUND
            raise Unusable(reason)
        remarks = list(self._remarks)
        if self._left_out:
            remarks.append(Remark(Note.LEFT_OUT, str(self._left_out.total())))
        return Series(self._series_uid, self._about, slices, tuple(remarks))


class _Decoders:
    """Threads that decode frames. Leaving the ``with`` block waits for them, whatever happened."""

    def __init__(self, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="decode")
        self._room = threading.BoundedSemaphore(threads * (1 + _WAITING))
        self._futures: list[Future[Slice]] = []
        self._failed = threading.Event()

    def __enter__(self) -> _Decoders:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def decode(self, frame: Frame, payload: bytes, instance: Instance) -> None:
        """Waits for room. Raises what an earlier frame's decoding raised."""
        self._room.acquire()
        if self._failed.is_set():
            self.finish()
        assert instance.layout is not None
        future = self._pool.submit(_slice, frame, payload, instance.layout, instance.padding)
        future.add_done_callback(self._done)
        self._futures.append(future)

    def finish(self) -> tuple[Slice, ...]:
        return tuple(future.result() for future in self._futures)

    def _done(self, future: Future[Slice]) -> None:
        if not future.cancelled() and future.exception() is not None:
            self._failed.set()
        self._room.release()


def _slice(frame: Frame, payload: bytes, layout: Layout, padding: tuple[int, int] | None) -> Slice:
    return Slice(frame, hounsfield(payload, layout, frame.slope, frame.intercept, padding))
