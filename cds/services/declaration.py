"""Service declarations, and the registry keyed by (id, hook)."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import pkgutil
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

from pydantic import BaseModel, ConfigDict

from cds.errors import MalformedRequest, ServiceError, UnknownService
from cds.record.written import DrugNames
from cds.services.case import Case, Finding
from cds.services.comparison import Comparisons
from cds.services.past import Again


class NoParameters(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


Function = Callable[[Case], Iterable[Finding]]

_ID = re.compile(r"^[a-z0-9][a-z0-9-]*$")


@dataclass(frozen=True)
class Service:
    id: str
    hook: str
    title: str
    description: str
    run: Function
    models: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    """Concepts the function itself looks at, beside its models' inputs."""
    parameters: type[BaseModel] = NoParameters
    orders: tuple[str, ...] = ()
    """What its own cards propose or it looks for, by the policy's names under ``orders``."""
    version: str = "1.0.0"
    contributors: tuple[str, ...] = ()
    """Models whose manifests put their own cards here; see ``cds.services.joined``."""
    studies: bool = False
    """The patient's imaging studies are looked at: by every model that reads volumes, not only those named here."""
    comparisons: Comparisons | None = None
    """The randomised trials that its report shows beside an estimate."""
    again: Again | None = None
    """How it is tried on past calls under another policy; None: its own cards are then taken as they were."""
    said: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Title and description by language, of one that a manifest describes; see ``cds.services.told``."""

    @property
    def all_models(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self.models, *self.contributors)))


def service(
    *,
    id: str,
    hook: str,
    title: str,
    description: str,
    models: tuple[str, ...] = (),
    reads: tuple[str, ...] = (),
    parameters: type[BaseModel] = NoParameters,
    orders: tuple[str, ...] = (),
    studies: bool = False,
    comparisons: Comparisons | None = None,
    again: Again | None = None,
) -> Callable[[Function], Function]:
    """Declare the function below as a CDS service. Discovery, prefetch, docs and the tests derive from this."""
    if not _ID.match(id):
        raise ServiceError(
            f"service id '{id}' must be lower-case letters, digits and hyphens: it is part of an address"
        )

    def declare(function: Function) -> Function:
        declared = Service(
            id, hook, title, description, function, models, reads, parameters, orders, studies=studies,
            comparisons=comparisons, again=again,
        )  # fmt: skip
        function.__dict__.setdefault("cds_services", []).append(declared)
        return function

    return declare


def names_drugs(function: DrugNames) -> DrugNames:
    """Declare the function below as one that tells the drugs which an order's text names, where no code does."""
    function.__dict__["cds_names_drugs"] = True
    return function


@dataclass(frozen=True)
class ServiceRegistry:
    services: Mapping[tuple[str, str], Service]
    """By (id, hook): one id may answer several hooks, and then later cards replace earlier ones."""
    drug_names: tuple[DrugNames, ...] = ()
    """What the packages of services know of drugs' names in texts."""

    def find(self, service_id: str, hook: str) -> Service:
        """Raises UnknownService (404) for the id, MalformedRequest (400) for a hook the id doesn't answer."""
        found = self.services.get((service_id, hook))
        if found is None:
            hooks = self.hooks_of(service_id)
            raise MalformedRequest(
                f"the service '{service_id}' answers {' and '.join(hooks)}, not the hook in this request"
            )
        return found

    def hooks_of(self, service_id: str) -> list[str]:
        hooks = [hook for id, hook in self.services if id == service_id]
        if not hooks:
            known = ", ".join(sorted({id for id, _ in self.services}))
            raise UnknownService(f"there is no service '{service_id[:80]}'; GET /cds-services lists: {known}")
        return hooks

    def parameters(self) -> dict[str, type[BaseModel]]:
        """Parameters class by service id; one id has one class, whatever the hook."""
        return {s.id: s.parameters for s in self.services.values()}

    def hooks(self) -> frozenset[str]:
        """All that some service answers."""
        return frozenset(hook for _, hook in self.services)

    def orders(self) -> frozenset[str]:
        """The policy's names of all orders that some service declares."""
        return frozenset(order for s in self.services.values() for order in s.orders)


def load(folders: Iterable[Path] = ()) -> ServiceRegistry:
    """Services of all installed packages (entry point ``cds.hooks``) and of mounted folders.

    Raises ServiceError for two services with one (id, hook), or a file that can't be imported.
    """
    found: dict[tuple[str, str], Service] = {}
    names: dict[DrugNames, None] = {}
    for module in [*_installed_modules(), *(m for folder in folders for m in _folder_modules(folder))]:
        names |= dict.fromkeys(_namers_in(module))
        for declared in _declared_in(module):
            key = (declared.id, declared.hook)
            if found.setdefault(key, declared) is not declared:
                raise ServiceError(f"service '{declared.id}' for {declared.hook} is declared twice")
            other = next((s for s in found.values() if s.id == declared.id), declared)
            if other.parameters is not declared.parameters:
                raise ServiceError(f"service '{declared.id}' has different parameters for different hooks")
    return ServiceRegistry(found, tuple(names))


def _declared_in(module: ModuleType) -> Iterable[Service]:
    for value in list(vars(module).values()):
        if getattr(value, "__module__", None) == module.__name__:
            yield from getattr(value, "__dict__", {}).get("cds_services", ())


def _namers_in(module: ModuleType) -> Iterable[DrugNames]:
    for value in list(vars(module).values()):
        own = getattr(value, "__module__", None) == module.__name__
        if own and getattr(value, "__dict__", {}).get("cds_names_drugs"):
            yield value


def _installed_modules() -> Iterable[ModuleType]:
    for entry in sorted(importlib.metadata.entry_points(group="cds.hooks"), key=lambda e: e.name):
        package = importlib.import_module(entry.value)
        yield package
        for info in pkgutil.iter_modules(getattr(package, "__path__", ())):
            if not info.ispkg:
                yield importlib.import_module(f"{package.__name__}.{info.name}")


def installed_packages() -> list[Path]:
    """Folders of the packages that announce services: their catalogues and default policy lie there."""
    folders: list[Path] = []
    for entry in sorted(importlib.metadata.entry_points(group="cds.hooks"), key=lambda e: e.name):
        spec = importlib.util.find_spec(entry.value)
        if spec is not None and spec.submodule_search_locations:
            folders.extend(Path(location) for location in spec.submodule_search_locations)
    return folders


def _folder_modules(folder: Path) -> Iterable[ModuleType]:
    if not folder.is_dir():
        raise ServiceError(f"hooks folder {folder} does not exist")
    for path in sorted(folder.glob("*.py")):
        name = f"cds_mounted_{path.stem}"
        spec = importlib.util.spec_from_file_location(name, path)
        if spec is None or spec.loader is None:
            raise ServiceError(f"{path} can't be imported")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        try:
            spec.loader.exec_module(module)
        except Exception as error:  # whatever a site's file raises is its own fault, named with the file
            raise ServiceError(f"{path}: {type(error).__name__}: {error}") from error
        yield module
