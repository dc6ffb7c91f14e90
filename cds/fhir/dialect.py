"""How one FHIR server wants to be asked, where it falls short of the common subset that our queries are written in.

What is asked for stays the same or becomes more, never less: without ``code`` the server sends every observation, and
the record takes what it knows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cds.fhir.queries import Query
from cds.settings import ClientSettings


@dataclass(frozen=True)
class Dialect:
    strict: bool = True
    """Ask that unknown search parameters be refused (``Prefer: handling=strict``)."""
    leave_out: frozenset[str] = frozenset()
    """Search parameters it does not know."""
    patient: str = "patient"
    """``patient``: patient=1; ``typed``: patient=Patient/1; ``subject``: subject=Patient/1."""
    page: int = 0
    """The largest ``_count`` it takes; 0: any."""

    def path(self, query: Query, patient_id: str) -> str:
        """The query for this server, relative to its base."""
        path = query.path(patient_id)
        resource, mark, parameters = path.partition("?")
        if self == PLAIN or not mark:
            return path
        return f"{resource}?{'&'.join(self._asked(parameters))}"

    def _asked(self, parameters: str) -> Iterator[str]:
        for part in parameters.split("&"):
            name, _, value = part.partition("=")
            if name in self.leave_out:
                continue
            if name == "patient" and self.patient != "patient":
                name, value = ("subject" if self.patient == "subject" else name), f"Patient/{value}"
            if name == "_count" and self.page:
                value = str(min(int(value), self.page))
            yield f"{name}={value}"


PLAIN = Dialect()


def dialect_of(client: ClientSettings) -> Dialect:
    own = client.dialect
    return Dialect(own.strict, frozenset(own.leave_out), own.patient, own.page)
