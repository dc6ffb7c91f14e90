"""Finding one's way in what the chart renders."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from helm import Manifest


def of_kind(manifests: list[Manifest], kind: str) -> list[Manifest]:
    return [m for m in manifests if m["kind"] == kind]


def only(manifests: list[Manifest], kind: str, suffix: str = "") -> Manifest:
    (found,) = [m for m in of_kind(manifests, kind) if m["metadata"]["name"].endswith(suffix)]
    return found


def web(manifests: list[Manifest]) -> Manifest:
    (found,) = [m for m in of_kind(manifests, "Deployment") if component(m) == "web"]
    return found


def worker(manifests: list[Manifest]) -> Manifest:
    return only(manifests, "Deployment", "-worker")


def component(manifest: Manifest) -> str:
    """Of the pods it makes."""
    found = _template(manifest)
    made = found["metadata"] if found is not None else manifest["metadata"]
    return str(made["labels"].get("app.kubernetes.io/component", ""))


def pods(manifests: list[Manifest]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """(metadata, spec) of the pods that would run."""
    for manifest in manifests:
        if manifest["kind"] == "Pod":
            yield manifest["metadata"], manifest["spec"]
        elif (found := _template(manifest)) is not None:
            yield found["metadata"], found["spec"]


def _template(manifest: Manifest) -> dict[str, Any] | None:
    spec = manifest.get("spec", {})
    found: dict[str, Any] | None = spec.get("jobTemplate", {}).get("spec", spec).get("template")
    return found


def sole_container(manifest: Manifest) -> dict[str, Any]:
    template = _template(manifest)
    assert template is not None
    (found,) = template["spec"]["containers"]
    return dict(found)


def environment(container: dict[str, Any]) -> dict[str, Any]:
    return {entry["name"]: entry.get("value", entry.get("valueFrom")) for entry in container["env"]}


def chosen(manifests: list[Manifest], labels: dict[str, str]) -> set[str]:
    """Components of the pods that a selector finds."""
    return {
        metadata["labels"]["app.kubernetes.io/component"]
        for metadata, _ in pods(manifests)
        if labels.items() <= metadata["labels"].items()
    }
