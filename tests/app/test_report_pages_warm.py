"""What a report's first page needs is loaded after a worker's start: neither that page nor the first card waits."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from flask import Flask

from cds import serve

# in an interpreter of its own: in this one, other tests may have drawn before
WORKER = """
import sys
from pathlib import Path

from cds import serve
from cds.app import create_app, warm
from cds.ledger.migrate import upgrade
from cds.settings import load

folder = Path(sys.argv[1])
(folder / "cds.toml").touch()
client = {"authentication": "loopback", "fhir_servers": ["https://fhir.example/r4"], "smart": {"client_id": "report"}}
given = {"data_dir": folder, "public_url": "https://cds.example", "environment": "demo", "clients": {"demo": client}}
settings = load(folder / "cds.toml", **given)
upgrade(settings.ledger_url)
app = create_app(settings)
warm(app)
serve.PAGES_AFTER_S = 0.0
for moment in ("before", "after"):
    if moment == "after":
        serve.warm_pages_later(app).join(60)
    kept = sorted(name for _loader, name in app.jinja_env.cache or ())
    print(moment, "draws" if "cds.charts.sheet" in sys.modules else "draws-not", *kept)
"""


def test_a_worker_compiles_templates_and_loads_what_draws_before_anybody_asks(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WORKER, str(tmp_path)], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    before, after = (line.split() for line in done.stdout.splitlines())
    assert before == ["before", "draws-not"]
    assert after[:2] == ["after", "draws"]
    assert {"report/page.html", "report/section.html", "report/parts.html"} <= set(after[2:])


def test_one_whose_clients_open_no_reports_loads_nothing(app: Flask) -> None:
    assert serve.warm_pages_later(app) is None
