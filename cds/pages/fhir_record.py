"""The FHIR server the demonstration EHR keeps its charts in: read, search with paging, apply a card's action and undo
it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import requests

from cds.errors import SourceForeign, SourceMalformed
from cds.pages.answers import content, send

Resource = dict[str, Any]

_MOST_PAGES = 40
_MEDIA = "application/fhir+json"


@dataclass(frozen=True)
class Done:
    """What was done to one resource, and what undoes it."""

    kind: str
    """create, update or delete."""
    reference: str
    before: Resource | None = None
    """As it was before an update or a deletion."""
    status: str = ""
    """Of what was created."""
    held: bool = False
    """On an unsigned order that the EHR keeps to itself."""


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

    def create(self, resource: Resource) -> Done:
        """The server gives the id. Raises SourceError."""
        kind = _type(resource)
        found = self._send("POST", kind, {k: v for k, v in resource.items() if k != "id"})
        if not isinstance(found, dict) or not found.get("id"):
            raise SourceMalformed("the record does not say which id it gave")
        return Done("create", f"{kind}/{found['id']}", status=str(resource.get("status", "")))

    def apply(self, action: Resource) -> Done:
        """A suggestion's action: create, update or delete. Raises SourceError."""
        kind, resource = action.get("type"), action.get("resource") or {}
        if kind == "create":
            return self.create(resource)
        if kind not in ("update", "delete"):
            raise SourceMalformed("the card's action is not one this EHR can carry out")
        target = f"{resource.get('resourceType')}/{resource.get('id')}"
        if kind == "delete":
            target = str(action.get("resourceId") or target)
            before = self.read(target)
            self._send("DELETE", target)
            return Done("delete", target, before)
        _type(resource)
        before = self.read(target)
        self._send("PUT", target, resource)
        return Done("update", target, before)

    def undo(self, done: Done) -> None:
        """What was deleted comes back under a new id: not every server takes an old one. Raises SourceError."""
        if done.kind == "create":
            self._send("DELETE", done.reference)
        elif done.before is not None and done.kind == "update":
            self._send("PUT", done.reference, done.before)
        elif done.before is not None:
            self.create(done.before)

    def _send(self, method: str, path: str, resource: Resource | None = None) -> Any:
        headers = {"Accept": _MEDIA, "Prefer": "return=representation"}
        if resource is not None:
            headers["Content-Type"] = _MEDIA
        return content(send(self._session, method, f"{self.base}/{path}", json=resource, headers=headers))

    def _get(self, url: str) -> Resource:
        found = content(send(self._session, "GET", url, headers={"Accept": _MEDIA}))
        if not isinstance(found, dict) or "resourceType" not in found:
            raise SourceMalformed("the answer is not a FHIR resource")
        return found


def _type(resource: Resource) -> str:
    """Raises SourceMalformed for what names none: it would become part of an address."""
    name = str(resource.get("resourceType", ""))
    if not name.isalpha():
        raise SourceMalformed("the card's action is not one this EHR can carry out")
    return name
