"""The FHIR server the demonstration EHR keeps its charts in: read, search with paging, and apply a card's action."""

from __future__ import annotations

from typing import Any

import requests

from cds.errors import SourceForeign, SourceMalformed
from cds.pages.answers import content, send

Resource = dict[str, Any]

_MOST_PAGES = 40
_MEDIA = "application/fhir+json"


class FhirRecord:
    def __init__(self, base: str, session: requests.Session) -> None:
        self.base = base.rstrip("/")
        self._session = session

    def read(self, path: str) -> Resource:
        """One resource, or one page of a search. Raises SourceError."""
        return self._get(f"{self.base}/{path}")

    def whole(self, query: str) -> Resource:
        """A read as it is; a search with all its pages in one Bundle, as an EHR sends prefetch."""
        first = page = self.read(query)
        if first.get("resourceType") != "Bundle":
            return first
        entries = list(first.get("entry", []))
        for _ in range(_MOST_PAGES):
            following = next((link["url"] for link in page.get("link", []) if link.get("relation") == "next"), None)
            if following is None:
                break
            if not following.startswith(f"{self.base}/") and not following.startswith(f"{self.base}?"):
                raise SourceForeign("a paging link leads to another server")
            page = self._get(following)
            entries += page.get("entry", [])
        links = [link for link in first.get("link", []) if link.get("relation") != "next"]
        return {**first, "link": links, "entry": entries}

    def search(self, query: str) -> list[Resource]:
        """Matches on all pages. Raises SourceError."""
        found = self.whole(query)
        return [entry["resource"] for entry in found.get("entry", []) if "resource" in entry]

    def apply(self, action: Resource) -> None:
        """A suggestion's action: create, update or delete. Raises SourceError."""
        kind, resource = action.get("type"), action.get("resource") or {}
        if kind == "delete":
            target = str(action.get("resourceId") or f"{resource.get('resourceType')}/{resource.get('id')}")
            content(send(self._session, "DELETE", f"{self.base}/{target}"))
            return
        name = str(resource.get("resourceType", ""))
        if kind not in ("create", "update") or not name.isalpha():
            raise SourceMalformed("the card's action is not one this EHR can carry out")
        method, url = "POST", f"{self.base}/{name}"
        if kind == "update":
            method, url = "PUT", f"{url}/{resource.get('id')}"
        content(send(self._session, method, url, json=resource, headers={"Content-Type": _MEDIA, "Accept": _MEDIA}))

    def _get(self, url: str) -> Resource:
        found = content(send(self._session, "GET", url, headers={"Accept": _MEDIA}))
        if not isinstance(found, dict) or "resourceType" not in found:
            raise SourceMalformed("the answer is not a FHIR resource")
        return found
