"""The hospital of the demonstration, in one process: an embedded FHIR endpoint, the demo EHR's pages and, where scans
are part of the demonstration, an embedded image archive."""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path
from types import ModuleType
from typing import Any

import requests
from flask import Flask
from gunicorn.app.base import BaseApplication

from cds.demo.authorization import REPORT_APP, AuthorizationServer
from cds.demo.authorization_grants import RegisteredApp
from cds.demo.fhir_endpoint import create_fhir_app
from cds.demo.model_patients import ModelPatient, brought
from cds.errors import SettingsError
from cds.inference.registry import installed_folders
from cds.pages.ehr import create_ehr
from cds.services.declaration import installed_packages
from cds.settings import Settings, load

ARCHIVE = "archive"
"""Name of the image archive in the demonstration's settings."""


def stories() -> ModuleType:
    """The authored patients an installed package brings (entry point ``cds.stories``). Raises SettingsError."""
    for entry in importlib.metadata.entry_points(group="cds.stories"):
        return importlib.import_module(entry.value)
    raise SettingsError("no installed package brings demo patients (entry point cds.stories)")


def create_hospital(service_url: str, fhir_base: str, today: date, settings: Settings | None = None) -> Flask:
    """``settings``: of the service beside it; with an image archive in them, patients told by their images join in.
    Their archive is embedded here unless its address is elsewhere."""
    told = everybody(settings.model_dirs if settings is not None else ())
    if settings is None or ARCHIVE not in settings.pacs:
        app = create_fhir_app(told.all_resources(today))
        create_ehr(
            app,
            stories=told,
            service_url=service_url,
            fhir_base=fhir_base,
            session=requests.Session(),
            launch=_sign_in(app, told, service_url, fhir_base).launch_url,
            report=_report(service_url),
            names=_names(),
        )
        return app
    from cds.demo import imaging  # needs the extra for images
    from cds.demo.dicomweb_endpoint import Archive, dicomweb
    from cds.demo.imaging_scanner import EhrScanner
    from cds.studies import archives

    images = imaging.told_by_images()
    assert images is not None
    app = create_fhir_app([*told.all_resources(today), *imaging.resources(images, today)])
    everyone = told.with_scans(images)
    if settings.pacs[ARCHIVE].url.startswith(fhir_base.removesuffix("/fhir")):
        app.register_blueprint(dicomweb(Archive()))
    create_ehr(
        app,
        stories=everyone,
        service_url=service_url,
        fhir_base=fhir_base,
        session=requests.Session(),
        archive=archives.opened(settings, ARCHIVE),
        scanner=EhrScanner(settings, images, fhir_base, today),
        launch=_sign_in(app, everyone, service_url, fhir_base).launch_url,
        report=_report(service_url),
        names=_names(),
    )
    return app


def _names() -> list[Path]:
    """Catalogues of what is installed, which name the codes of its field."""
    return [p / "catalogue" for p in installed_packages() if (p / "catalogue").is_dir()]


def _sign_in(app: Flask, told: Any, service_url: str, fhir_base: str) -> AuthorizationServer:
    """The authorization server, by which the EHR's pages launch a card's report."""
    server = AuthorizationServer(
        fhir_base,
        [RegisteredApp(REPORT_APP, (f"{service_url.rstrip('/')}/report/callback",))],
        lambda: [(story.id, story.name) for story in told.STORIES],
    )
    app.register_blueprint(server.blueprint())
    app.extensions["smart"] = server
    return server


def _report(service_url: str) -> str:
    """Where the EHR opens the report without a card."""
    return f"{service_url.rstrip('/')}/report/launch"


class Told:
    """The stories, and those whom models' own folders and images bring."""

    def __init__(self, told: ModuleType, brought: Sequence[ModelPatient], imaged: Sequence[Any] = ()) -> None:
        self._told, self.brought = told, tuple(brought)
        self.STORIES = (*told.STORIES, *self.brought, *imaged)
        self.draft_orders = told.draft_orders
        self.ORDERABLES, self.orders = getattr(told, "ORDERABLES", ()), getattr(told, "orders", None)

    def all_resources(self, today: date) -> list[dict[str, Any]]:
        """Of the stories and of whom the models bring."""
        mine = [resource for patient in self.brought for resource in patient.resources(today)]
        return [*self._told.all_resources(today), *mine]

    def with_scans(self, images: ModuleType) -> Told:
        return Told(self._told, self.brought, [imaged.story for imaged in images.IMAGED])


def everybody(model_dirs: Iterable[Path] = ()) -> Told:
    """The stories of the installed package, and the patients that model folders bring. Raises SettingsError."""
    return Told(stories(), brought([*installed_folders(), *model_dirs]))


class _Hospital(BaseApplication):  # type: ignore[misc]  # gunicorn ships no types
    """One worker: the patients live in its memory."""

    def __init__(self, app: Flask, port: int) -> None:
        self._app, self._port = app, port
        super().__init__()

    def load_config(self) -> None:
        options: dict[str, Any] = {
            "bind": f"127.0.0.1:{self._port}",
            "workers": 1,
            "threads": 16,
            "worker_class": "gthread",
            "loglevel": "warning",
            "control_socket_disable": True,
        }
        for name, value in options.items():
            if name in self.cfg.settings:
                self.cfg.set(name, value)

    def load(self) -> Flask:
        return self._app


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--service", required=True, help="base address of the CDS service")
    parser.add_argument("--settings", type=Path, help="cds.toml of that service, where scans are part of the demo")
    arguments = parser.parse_args()
    fhir_base = f"http://127.0.0.1:{arguments.port}/fhir"
    settings = load(arguments.settings) if arguments.settings else None
    _Hospital(create_hospital(arguments.service, fhir_base, date.today(), settings), arguments.port).run()


if __name__ == "__main__":
    main()
