"""The first page of a report from stored predictions: time in the server and bytes, in process.

A card is given to three demo patients; their reports are then read as a browser reads them. No page waits for the
hospital's servers: those are asked for parts of their own.
"""

from __future__ import annotations

import logging
import re
import statistics
import subprocess
import sys
import time
import uuid
from datetime import date
from pathlib import Path
from typing import Any

from patient_view import prefetch
from results import Section
from rich.progress import Progress

from cds.app import create_app, warm
from cds.ledger.migrate import upgrade
from cds.settings import load
from cds.web.report_cookie import cookie_name
from hooks import stories

SERVER_MS, KILOBYTES = 300.0, 300.0
FHIR = "http://127.0.0.1/fhir"
# (what the section calls it, patient, service, hook)
READ = (
    ("risk, three models", "new-diabetes", "pancreas-risk", "patient-view"),
    ("outlook, three models", "folfirinox-falling", "pancreas-first-line", "order-sign"),
    ("not assessed", "two-labs", "pancreas-first-line", "order-select"),
)
_IMPORT = (
    "import time; begun = time.perf_counter(); import cds.charts.sheet as sheet; sheet.Sheet(10, 10).page(); "
    "print(time.perf_counter() - begun)"
)


def run(folder: Path, progress: Progress, *, quick: bool) -> Section:
    rounds = 5 if quick else 60
    section = Section(
        "report-page",
        "First page of a report, from stored predictions",
        f"In process, one thread, SQLite ledger; wall and CPU of the whole request (session, ledger, models asked what "
        f"a missing value would change, charts, template), median of {rounds} after one. Bytes uncompressed, with "
        "style sheets and script. matplotlib is loaded in the background, five seconds after a worker's start or when "
        "the first reader signs in.",
    )
    logging.disable(logging.WARNING)
    app = _app(folder)
    task = progress.add_task("report-page", total=len(READ) * rounds)
    try:
        for name, patient, service, hook in READ:
            client, address = _opened(app, patient, service, hook)
            first = client.get(address)
            assert first.status_code == 200, first.get_data(as_text=True)[:300]
            wall, cpu = [], []
            for _ in range(rounds):
                begun, used = time.perf_counter(), time.thread_time()
                client.get(address)
                wall.append(1000 * (time.perf_counter() - begun))
                cpu.append(1000 * (time.thread_time() - used))
                progress.advance(task)
            page = first.get_data()
            linked = [client.get(href).get_data() for href in _linked(page.decode())]
            section.add(f"{name}: server time", statistics.median(wall), "ms", bar=SERVER_MS)
            section.add(f"{name}: CPU", statistics.median(cpu), "ms")
            section.add(
                f"{name}: page with style and script", (len(page) + sum(map(len, linked))) / 1000, "kB", bar=KILOBYTES
            )
            section.raw.append(
                f"{name}: wall {min(wall):.0f} to {max(wall):.0f} ms, page alone {len(page) / 1000:.0f} kB"
            )
    finally:
        logging.disable(logging.NOTSET)
    loading = float(subprocess.run([sys.executable, "-c", _IMPORT], check=True, capture_output=True, text=True).stdout)
    section.raw.append(f"loading matplotlib, once a worker: {1000 * loading:.0f} ms")
    return section


def _app(folder: Path) -> Any:
    client = {"authentication": "loopback", "fhir_servers": [FHIR], "smart": {"client_id": "bench"}}
    (folder / "cds.toml").touch()
    settings = load(
        folder / "cds.toml",
        data_dir=folder,
        environment="demo",
        public_url="http://localhost",
        clients={"bench": client},
    )
    upgrade(settings.ledger_url)
    app = create_app(settings)
    warm(app)
    return app


def _opened(app: Any, patient: str, service: str, hook: str) -> tuple[Any, str]:
    """(a browser with the report's cookie, the report's address)"""
    client, engine = app.test_client(), app.extensions["cds"]
    described = client.get("/cds-services").get_json()["services"]
    templates = next(s["prefetch"] for s in described if (s["id"], s["hook"]) == (service, hook))
    context: dict[str, Any] = {"userId": "Practitioner/gp", "patientId": patient}
    if hook.startswith("order"):
        drafts = stories.draft_orders(stories.story(patient), date.today())
        context["draftOrders"] = drafts
        context["selections"] = [f"{e['resource']['resourceType']}/{e['resource']['id']}" for e in drafts["entry"]]
    call = {
        "hook": hook,
        "hookInstance": str(uuid.uuid4()),
        "context": context,
        "prefetch": prefetch(patient, templates),
    }
    answer = client.post(f"/cds-services/{service}", json=call)
    card = answer.get_json()["cards"][0]
    session, secret = engine.reports.open(
        "bench", patient, card_id=card["uuid"], fhir_server=FHIR, access_token="t", user="Practitioner/gp"
    )
    path = f"/report/{session.rid}"
    bare = engine.settings.bare_cookies
    client.set_cookie(cookie_name(engine.settings), secret, path=path, secure=not bare, domain="localhost")
    return client, f"{path}/"


def _linked(page: str) -> list[str]:
    return re.findall(r'<link rel="stylesheet" href="([^"]+)"', page) + re.findall(r'<script src="([^"]+)"', page)
