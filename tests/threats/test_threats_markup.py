"""Scripts in the words of a chart: on no card, and on no page of the report, as anything but text."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

import pytest
from report_house import Reports
from service import FHIR, context_of, prefetcher
from service import request as hook_request

from cds.web.report_cookie import cookie_name, report_path

SCRIPT = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'><svg/onload=alert(3)>[x](javascript:alert(4))"
_WORDS = ("display", "text", "family", "unit", "description", "note")


def spoilt(value: Any) -> Any:
    """Every word a person wrote, and every resource's id but the patient's, with the script before it; codes and
    numbers stay, so that all of it is read."""
    if isinstance(value, dict):
        words = _WORDS if value.get("resourceType") in (None, "Patient", "Bundle") else (*_WORDS, "id")
        return {
            key: SCRIPT + inner if key in words and isinstance(inner, str) else spoilt(inner)
            for key, inner in value.items()
        }
    return [spoilt(one) for one in value] if isinstance(value, list) else value


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.dangers: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        for name, value in attributes:
            if name.startswith("on") or (value or "").strip().lower().startswith(("javascript:", "data:text")):
                self.dangers.append(f"{tag} {name}={value}")
        if tag == "script" and not (dict(attributes).get("src") or "").startswith("/"):
            self.dangers.append("a script of its own")


@pytest.mark.threat("xss-names")
@pytest.mark.parametrize(
    ("story", "service", "hook"),
    [
        ("new-diabetes", "pancreas-risk", "patient-view"),
        ("folfirinox-falling", "pancreas-first-line", "order-sign"),
        ("msi-high", "pancreas-first-line", "order-sign"),
    ],
)
def test_scripts_in_the_words_of_a_chart_stay_text(reports: Reports, story: str, service: str, hook: str) -> None:
    prefetch = spoilt(prefetcher(reports.app)(story, service, hook))
    context = spoilt(context_of(story, hook))
    answer = reports.app.test_client().post(f"/cds-services/{service}", json=hook_request(hook, context, prefetch))
    assert answer.status_code == 200
    cards = answer.get_json()["cards"]
    assert cards
    shown = " ".join(f"{c['summary']} {c.get('detail', '')} {c['source']['label']}" for c in cards)
    assert "<script" not in shown and "<img" not in shown and "](javascript" not in shown
    session, secret = reports.engine.reports.open(
        "demo", story, card_id=cards[0]["uuid"], fhir_server=FHIR, access_token="t", user="Practitioner/gp"
    )
    settings = reports.engine.settings
    client = reports.app.test_client()
    client.set_cookie(cookie_name(settings), secret, path=report_path(settings, session.rid))
    page = client.get(f"{report_path(settings, session.rid)}/?outlook=1", headers={"Accept": "text/html"})
    assert page.status_code == 200, page.text[:300]
    assert "alert(1)" in page.text, "none of the spoilt words is on the page, so nothing was tried"
    tags = _Tags()
    tags.feed(page.text)
    assert tags.dangers == []
