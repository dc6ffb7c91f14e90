"""What a card's detail may bring onto the page."""

from __future__ import annotations

import pytest

from cds.pages.markdown import parts, to_html


@pytest.mark.parametrize(
    "text",
    [
        "<img src=x onerror=alert(1)>",
        "<script>alert(1)</script>",
        "![tracker](https://elsewhere.invalid/pixel.png)",
        "[x](javascript:alert(1))",
        "[x](data:text/html,<script>alert(1)</script>)",
        "[x](/charts)",
    ],
)
@pytest.mark.threat("xss-card-text")
def test_nothing_that_runs_loads_or_leads_into_the_ehr_itself(text: str) -> None:
    html = to_html(text)
    assert "<img" not in html
    assert "<script" not in html
    assert 'href="javascript' not in html
    assert 'href="data' not in html
    assert 'href="/' not in html


def test_tables_lists_and_emphasis_are_rendered() -> None:
    html = to_html("**Why**\n\n- a\n- ~~b~~\n\n| x | y |\n|---|---|\n| 1 | 2 |\n")
    for part in ("<strong>Why</strong>", "<li>a</li>", "<s>b</s>", "<td>2</td>"):
        assert part in html


def test_headings_go_below_the_cards_own() -> None:
    assert to_html("# Big") == "<h4>Big</h4>\n"


LONG = "**Consider a CT.**\n\n**Why**\n\n" + "- a reason among many others\n" * 12


def test_a_long_detail_shows_its_first_paragraph_and_folds_the_rest() -> None:
    detail = parts(LONG, "warning")
    assert detail.lead == "<p><strong>Consider a CT.</strong></p>\n"
    assert detail.rest.startswith("<p><strong>Why</strong></p>")


def test_a_short_detail_is_shown_whole() -> None:
    detail = parts("One.\n\nTwo.", "info")
    assert (detail.lead, detail.rest) == ("<p>One.</p>\n<p>Two.</p>\n", "")


def test_information_with_a_table_is_folded_whole_and_a_warning_is_not() -> None:
    table = "Lead.\n\n| x |\n|---|\n| 1 |\n"
    assert parts(table, "info").lead == ""
    assert "<td>1</td>" in parts(table, "warning").lead
