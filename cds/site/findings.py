"""What was found, a line each: good, worth knowing, or at fault; with what to do."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

from cds.errors import CdsError

Verdict = Literal["good", "note", "fault"]


@dataclass(frozen=True)
class Finding:
    part: str
    """Of the site: ``settings``, ``client main-ehr``, ``archive main``."""
    what: str
    """Within the part; empty where the part is one thing."""
    verdict: Verdict
    why: str
    """What was found; for a fault and most notes, what to do as well."""
    ms: float | None = None
    """How long it took, where that is of interest."""

    @property
    def name(self) -> str:
        return f"{self.part}: {self.what}" if self.what else self.part


@dataclass
class Findings:
    """Those of one walk, in order. ``tell`` hears of each as it is found."""

    rows: list[Finding] = field(default_factory=list)
    tell: Callable[[Finding], None] = lambda _: None

    @contextmanager
    def of(self, part: str, what: str = "") -> Iterator[Callable[[str], None]]:
        """Good unless the block raises one of our errors; the block may say what it found."""
        said: list[str] = []
        start = time.monotonic()
        try:
            yield said.append
        except CdsError as error:
            self.fault(part, f"{error.code}: {error}", what)
        else:
            self._add(Finding(part, what, "good", "; ".join(said), 1000 * (time.monotonic() - start)))

    def good(self, part: str, why: str, what: str = "", ms: float | None = None) -> None:
        self._add(Finding(part, what, "good", why, ms))

    def note(self, part: str, why: str, what: str = "", ms: float | None = None) -> None:
        self._add(Finding(part, what, "note", why, ms))

    def fault(self, part: str, why: str, what: str = "", ms: float | None = None) -> None:
        self._add(Finding(part, what, "fault", why, ms))

    def _add(self, finding: Finding) -> None:
        self.rows.append(finding)
        self.tell(finding)

    @property
    def failed(self) -> bool:
        return any(row.verdict == "fault" for row in self.rows)
