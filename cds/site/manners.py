"""How a FHIR server searches: does it keep to what it is asked, say what it does not know, sort, and turn pages."""

from __future__ import annotations

from typing import Any
from urllib.parse import urljoin

from cds.errors import SourceError, SourceForeign
from cds.fhir.dialect import Dialect
from cds.fhir.queries import Query
from cds.site.asking import Asker
from cds.site.findings import Findings
from cds.trust.allowlist import AllowList

_JSON = "application/fhir+json"
_PAGE, _MOST_PAGES = 10, 20

_ALL = Query("observations", "Observation", "Observation?patient={{context.patientId}}&_sort=-date&_count=250")


class Manners:
    """Asked on one patient with results."""

    def __init__(self, part: str, base: str, allowed: AllowList, asker: Asker, findings: Findings) -> None:
        self._part, self._base, self._allowed = part, base.rstrip("/"), allowed
        self._asker, self._findings = asker, findings

    def strict(self, patient: str, dialect: Dialect) -> None:
        """An unknown parameter under ``handling=strict``: refused is right, ignored has to be known."""
        path = dialect.path(_ALL, patient) + "&cds-unknown=1"
        try:
            answer = self._asker.get(f"{self._base}/{path}", _JSON, Prefer="handling=strict")
        except SourceError as error:
            # the sentence names the address, and the address the patient
            self._findings.note(self._part, f"{error.code}: no answer came", "strict handling")
            return
        if 400 <= answer.status < 500:
            self._findings.good(self._part, "an unknown search parameter is refused", "strict handling", answer.ms)
        else:
            why = "an unknown search parameter is ignored: what it does not know, it does not say"
            self._findings.note(self._part, why, "strict handling", answer.ms)

    def sorted_and_coded(self, query: Query, patient: str, dialect: Dialect) -> None:
        """The newest first, and nothing but what was asked for."""
        bundle = self._bundle(f"{self._base}/{dialect.path(query, patient)}", "sorting")
        if bundle is None:
            return
        found = [e.get("resource") or {} for e in bundle.get("entry") or () if _matches(e)]
        dates = [str(r["effectiveDateTime"])[:10] for r in found if r.get("effectiveDateTime")]
        if "_sort" not in dialect.leave_out:
            if dates == sorted(dates, reverse=True):
                self._findings.good(self._part, "the newest results come first", "sorting")
            else:
                why = "results come in no order: where there are more pages than page_limit, the newest may be lost"
                self._findings.note(self._part, why, "sorting")
        if "code" in dialect.leave_out:
            return
        asked = {part for part in query.template.partition("code=")[2].partition("&")[0].split(",")}
        others = [r for r in found if not asked & set(_codes(r))]
        if others:
            why = (
                f"{len(others)} of {len(found)} results are of other codes than asked for: more is sent, none is missed"
            )
            self._findings.note(self._part, why, "search by code")
        elif found:
            self._findings.good(self._part, "only what was asked for is sent", "search by code")

    def pages(self, patient: str, dialect: Dialect) -> None:
        """Few results a page, all pages, none twice, and none on another server."""
        url = f"{self._base}/{dialect.path(_ALL, patient)}".replace("_count=250", f"_count={_PAGE}")
        seen: list[str] = []
        sizes: list[int] = []
        try:
            while url and len(sizes) < _MOST_PAGES:
                self._allowed.base_of(url)
                bundle = self._bundle(url, "paging")
                if bundle is None:
                    return
                ids = [str((e.get("resource") or {}).get("id")) for e in bundle.get("entry") or () if _matches(e)]
                seen += ids
                sizes.append(len(ids))
                following = [link["url"] for link in bundle.get("link") or () if link.get("relation") == "next"]
                url = urljoin(url, following[0]) if following else ""
        except SourceForeign as error:
            why = f"its 'next' link leaves the client's servers ({error}); add that address to fhir_servers"
            self._findings.fault(self._part, why, "paging")
            return
        if len(seen) != len(set(seen)):
            self._findings.fault(self._part, "the same results come on several pages, so others are missed", "paging")
        elif len(sizes) > 1:
            self._findings.good(self._part, f"{len(seen)} results over {len(sizes)} pages, each once", "paging")
        elif len(seen) > _PAGE:
            why = f"{len(seen)} results in one page though {_PAGE} were asked for: the page's size is its own"
            self._findings.good(self._part, why, "paging")
        else:
            self._findings.note(self._part, "the test patient has too few results to tell", "paging")

    def _bundle(self, url: str, what: str) -> dict[str, Any] | None:
        try:
            return self._asker.object(url, _JSON)[0]
        except SourceError as error:
            # the address names the patient
            self._findings.fault(self._part, f"{error.code}: no Bundle came", what)
            return None


def _matches(entry: dict[str, Any]) -> bool:
    return str((entry.get("search") or {}).get("mode", "match")) == "match"


def _codes(resource: dict[str, Any]) -> list[str]:
    concepts = [resource.get("code"), *(part.get("code") for part in resource.get("component") or ())]
    codings = [coding for concept in concepts if concept for coding in concept.get("coding") or ()]
    return [f"{coding.get('system')}|{coding.get('code')}" for coding in codings]
