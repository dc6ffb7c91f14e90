"""A guideline's answer by an edition of the policy is told by that edition's words, and overdue is said there, too."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from report_house import Reports
from service import TODAY, MakeApp, loopback
from smart_house import Late, listening

from cds.inference import registry
from cds.inference.guideline import edition_of
from cds.policy.packaged import packaged_policy
from cds.services.declaration import installed_packages


@pytest.fixture(scope="module")
def reports(make_app: MakeApp, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reports]:
    ng12 = registry.load(registry.installed_folders())["nice-ng12"].manifest
    edition = edition_of(ng12).model_dump(mode="json", exclude_none=True)
    edition |= {"version": "1.1.0", "review_by": str(TODAY - timedelta(days=10))}
    edition["rules"][1]["label"] = {"en": "Weight loss as the new edition has it", "nl": "Gewichtsverlies, nieuw"}
    content = yaml.safe_load(packaged_policy(installed_packages()).read_text(encoding="utf-8"))
    content["guidelines"] = {"editions": {"nice-ng12": edition}}
    policy: Path = tmp_path_factory.mktemp("edition") / "policy.yaml"
    policy.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
    with ExitStack() as open_now:
        late = Late()
        url = open_now.enter_context(listening(late))
        late.app = make_app(public_url=url, policy_file=policy, **loopback(smart={"client_id": "report"}))
        yield Reports(url, late.app)


@pytest.mark.parametrize(
    ("language", "label", "overdue"),
    [
        ("en", "Weight loss as the new edition has it", "is overdue for review since 13 Nov 2026"),
        ("nl", "Gewichtsverlies, nieuw", "is sinds 13 nov 2026 aan herziening toe"),
    ],
)
def test_the_report_speaks_for_the_edition_that_answered(
    reports: Reports, language: str, label: str, overdue: str
) -> None:
    page = reports.open("new-diabetes", language=language).get(language=language).text
    assert label in page and overdue in page
    assert "1.1.0" in page
    words = reports.engine.catalogues.book(language)
    assert words("report.changed") not in page
