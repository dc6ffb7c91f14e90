"""What a card's detail may bring onto the page."""

from __future__ import annotations

import pytest

from cds.pages.markdown import to_html


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
def test_nothing_that_runs_loads_or_leads_into_the_ehr_itself(text: str) -> None:
    html, _ = to_html(text)
    assert "<img" not in html
    assert "<script" not in html
    assert 'href="javascript' not in html
    assert 'href="data' not in html
    assert 'href="/' not in html


def test_tables_lists_and_emphasis_are_rendered() -> None:
    html, has_table = to_html("**Why**\n\n- a\n- ~~b~~\n\n| x | y |\n|---|---|\n| 1 | 2 |\n")
    assert has_table
    for part in ("<strong>Why</strong>", "<li>a</li>", "<s>b</s>", "<td>2</td>"):
        assert part in html


def test_headings_go_below_the_cards_own() -> None:
    html, has_table = to_html("# Big")
    assert html == "<h4>Big</h4>\n"
    assert not has_table
