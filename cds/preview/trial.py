"""The two policies of a preview: what is in force, and what a file would make of it, for each client and service."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from typing import Any

import yaml

from cds.errors import PolicyError
from cds.policy.layers import Layer, laid_over, parse_layer
from cds.policy.schema import Known, Policy, parse, read
from cds.policy.standing import Approved, Standing
from cds.preview.replay import Scope


@dataclass(frozen=True)
class Trial:
    """``file``: text of a whole policy, or of a change of one."""

    base: str
    where: str
    """Of the file that layers are laid over."""
    on: Callable[[date], Standing]
    """The layers in force on a day, as the ledger has them."""
    today: date
    file: str
    name: str
    known: Known
    key_of: Callable[[str, str], str] = lambda client, user: user
    """(client, a user as layers name them) -> the ledger's key of them."""

    @cached_property
    def now(self) -> Standing:
        return self.on(self.today)

    @cached_property
    def otherwise(self) -> Standing:
        """Without it, on the first day on which it would hold: what others have put down for that day is not its
        doing."""
        return self.on(self.from_day) if self.from_day is not None else self.now

    @property
    def others(self) -> tuple[str, ...]:
        """Other layers that are not on that day as they are today: of another version, new, or at their end. The one
        tried has its own versions compared."""
        held = [
            {n: a.layer.version for n, a in s.live.items()}
            | {f"{n} (on trial)": a.layer.version for n, (_, a) in s.canaries.items()}
            for s in (self.now, self.otherwise)
        ]
        own = self.layer.head.layer if self.layer is not None else ""
        names = {*held[0], *held[1]} - {own, f"{own} (on trial)"}
        return tuple(sorted(n for n in names if held[0].get(n) != held[1].get(n)))

    @cached_property
    def then(self) -> Standing:
        """With the layer tried, on the first day on which it holds: as activating it would make it."""
        assert self.layer is not None
        name, standing = self.layer.head.layer, self.otherwise
        canaries = {n: c for n, c in standing.canaries.items() if n != name}
        return replace(standing, live={**standing.live, name: Approved(self.layer, "")}, canaries=canaries)

    @property
    def from_day(self) -> date | None:
        """When the layer takes effect; None: at once, as a whole policy does."""
        effective = self.layer.head.effective if self.layer is not None else self.today
        return effective if effective > self.today else None

    @property
    def trial_ends(self) -> bool:
        """A version of the same layer that some are under now gives way to it."""
        return self.layer is not None and self.layer.head.layer in self.now.canaries

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
            until = self.layer.head.until
            if until is not None and until < self.today:
                raise PolicyError(f"{self.name}: its last day, {until}, has passed: it would never be in force")
            under = [a.layer for n, a in self.then.live.items() if n == "site" and self.layer.head.layer != "site"]
            laid = [(each, "") for each in (*under, self.layer)]
            laid_over(self.base, self.where, laid, self.known)

    def before(self, client: str, service: str, user: str | None = None) -> Policy:
        """``user``: the ledger's key."""
        return self._made("before", client, service, user)

    def after(self, client: str, service: str, user: str | None = None) -> Policy:
        return self._made("after", client, service, user)

    @cached_property
    def _kept(self) -> dict[tuple[str, ...], Policy]:
        return {}

    @cached_property
    def _people(self) -> dict[tuple[str, str], str]:
        return {}

    @cached_property
    def _named(self) -> frozenset[str]:
        """Users whose calls are under layers of their own."""
        standings = (self.otherwise, self.then) if self.layer is not None else (self.now,)
        heads = [a.layer.head for s in standings for a in (*s.live.values(), *(c[1] for c in s.canaries.values()))]
        own = [name for head in heads if head.applies_to is not None for name in head.applies_to.users]
        return frozenset(own) | {name for s in standings for canary, _ in s.canaries.values() for name in canary.users}

    def scopes(self, services: Iterable[str]) -> tuple[Scope, ...]:
        """(client, service, the ledger's key of a user) of everybody whose policy may be another than everyone's."""
        standings = (self.otherwise, self.then) if self.layer is not None else (self.now,)
        heads = [a.layer.head for s in standings for a in (*s.live.values(), *(of for _, of in s.canaries.values()))]
        clients = {client for head in heads if head.applies_to is not None for client in head.applies_to.clients}
        clients |= {client for s in standings for canary, _ in s.canaries.values() for client in canary.clients}
        callers: list[tuple[str, str | None]] = [("", None), *((client, None) for client in sorted(clients))]
        callers += [(client, self.key_of(client, name)) for client, _ in callers for name in sorted(self._named)]
        return tuple((client, service, user) for client, user in callers for service in ("", *sorted(services)))

    def _who(self, client: str, user: str | None) -> str:
        """As layers name them; empty for who is in none."""
        if user is None or not self._named:
            return ""
        if (client, "") not in self._people:
            self._people.update(
                {(client, self.key_of(client, name)): name for name in self._named} | {(client, ""): ""}
            )
        return self._people.get((client, user), "")

    def _made(self, which: str, client: str, service: str, user: str | None) -> Policy:
        key = (which, client, service, self._who(client, user))
        if key not in self._kept:
            self._kept[key] = self._make(*key)
        return self._kept[key]

    def _make(self, which: str, client: str, service: str, user: str) -> Policy:
        base, where, standing = self.base, self.where, self.otherwise
        if which == "after" and self.layer is None:
            base, where = self.file, self.name
        elif which == "after":
            standing = self.then
        layers = standing.layers(client, service, user)
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
