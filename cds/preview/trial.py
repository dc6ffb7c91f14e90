"""The two policies of a preview: what is in force, and what a file would make of it, for each client and service."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import yaml

from cds.policy.layers import Layer, laid_over, parse_layer
from cds.policy.schema import Known, Policy, parse, read
from cds.policy.standing import Approved, Standing


@dataclass(frozen=True)
class Trial:
    """``file``: text of a whole policy, or of a change of one."""

    base: str
    where: str
    """Of the file that layers are laid over."""
    now: Standing
    file: str
    name: str
    known: Known

    @cached_property
    def layer(self) -> Layer | None:
        """None: it is a whole policy."""
        content, _ = read(self.file, self.name)
        whole = "approver" in content and "layer" not in content
        return None if whole else parse_layer(self.file, self.name)

    def require(self) -> None:
        """Raises PolicyError, with the file's own lines, for one that could not take effect."""
        if self.layer is None:
            parse(self.file, self.name, self.known)
        else:
            under = [a.layer for n, a in self.now.live.items() if n == "site" and self.layer.head.layer != "site"]
            laid = [(each, "") for each in (*under, self.layer)]
            laid_over(self.base, self.where, laid, self.known)

    def before(self, client: str, service: str) -> Policy:
        return self._made("before", client, service)

    def after(self, client: str, service: str) -> Policy:
        return self._made("after", client, service)

    @cached_property
    def _kept(self) -> dict[tuple[str, str, str], Policy]:
        return {}

    def _made(self, which: str, client: str, service: str) -> Policy:
        key = (which, client, service)
        if key not in self._kept:
            self._kept[key] = self._make(which, client, service)
        return self._kept[key]

    def _make(self, which: str, client: str, service: str) -> Policy:
        base, where, now = self.base, self.where, self.now
        if which == "after" and self.layer is None:
            base, where = self.file, self.name
        elif which == "after" and self.layer is not None:
            name = self.layer.head.layer
            tried = Approved(self.layer, "")
            canaries = {n: c for n, c in now.canaries.items() if n != name}
            now = replace(now, live={**now.live, name: tried}, canaries=canaries)
        layers = now.layers(client, service, "")
        if not layers:
            return parse(base, where, self.known)
        return laid_over(base, where, [(a.layer, a.approver) for a in layers], self.known)[0]


def nothing() -> Standing:
    """Where no ledger holds any layer."""
    return Standing({}, {}, {})


def changed(file: str, name: str, values: dict[str, Any]) -> str:
    """The file's text with keys (``services.x.parameters.y``) at other values, as YAML: nobody has approved that."""
    content, _ = read(file, name)
    content.pop("approver", None)
    for key, value in values.items():
        node = content
        *path, last = key.split(".")
        for part in path:
            if not isinstance(node.get(part), dict):
                node[part] = {}
            node = node[part]
        node[last] = value
    return str(yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=120))
