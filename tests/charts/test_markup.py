"""What every chart's markup promises the page that takes it in."""

from __future__ import annotations

import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from drawn import ALL, curve, lanes
from reading import texts, tree

from cds.charts import BarWords, RiskRow, comparison, stylesheet

BOTH = pytest.mark.parametrize("narrow", [False, True], ids=["page", "phone"])
EACH = pytest.mark.parametrize("name", ALL)


@EACH
@BOTH
def test_a_chart_is_one_svg_within_its_budget(name: str, narrow: bool) -> None:
    svg = ALL[name](narrow=narrow)
    root = tree(svg)
    assert root.tag.endswith("svg")
    assert root.get("viewBox") == f"0 0 {svg.width} {svg.height}"
    assert len(svg.markup.encode()) <= 40_000
    assert svg.width <= 360 if narrow else svg.width >= 240


@EACH
@BOTH
def test_it_obeys_a_policy_without_inline_style(name: str, narrow: bool) -> None:
    elements = list(tree(ALL[name](narrow=narrow)).iter())
    assert [e.tag for e in elements if "style" in e.attrib or e.tag.endswith(("style", "script"))] == []
    assert [a for e in elements for a in e.attrib if a.lower().startswith("on")] == []


@EACH
def test_colours_are_classes_of_the_stylesheet(name: str) -> None:
    svg = ALL[name]()
    known = set(re.findall(r"\.([\w-]+)", stylesheet()))
    used = {c for e in tree(svg).iter() for c in e.get("class", "").split()}
    assert used <= known
    paints = {e.get(a) for e in tree(svg).iter() for a in ("fill", "stroke")} - {None, "none", "currentColor"}
    assert all(str(p).startswith("url(#") for p in paints)


@EACH
def test_it_is_named_and_described(name: str) -> None:
    root = tree(ALL[name]())
    title, description = (e for e in list(root)[:2])
    assert root.get("role") == "img"
    assert root.get("aria-labelledby", "").split() == [title.get("id"), description.get("id")]
    assert title.text
    assert description.text


def test_ids_are_unique_across_all_charts_of_a_page() -> None:
    ids = [
        e.get("id") for draw in ALL.values() for n in (False, True) for e in tree(draw(narrow=n)).iter() if e.get("id")
    ]
    assert len(ids) == len(set(ids))


@EACH
def test_every_reference_is_to_something_in_the_same_chart(name: str) -> None:
    svg = ALL[name]()
    ids = {e.get("id") for e in tree(svg).iter()}
    wanted = set(re.findall(r'(?:href="#|url\(#)([^)"]+)', svg.markup))
    assert wanted <= ids
    assert len(ids - {None}) == len(wanted) + 2  # and nothing unused but title and description


@EACH
def test_the_same_data_gives_the_same_markup(name: str) -> None:
    assert ALL[name]().markup == ALL[name]().markup


@pytest.mark.threat("xss-names")
def test_text_stays_text_and_markup_in_names_stays_harmless() -> None:
    name = '<script>alert("$x^2$ & \x00\x1b")</script>\n\u202ezzz'
    svg = comparison((RiskRow(name, 1, None, None, name),), BarWords(), name, name)
    assert "<script" not in svg.markup
    assert any("$x^2$ &" in text for text in texts(svg))


def test_a_script_the_drawing_font_lacks_is_no_fault() -> None:
    svg = comparison((RiskRow("胰腺 नमस्ते", 1, 0.5, 2, "一"),), BarWords(), "x", "y")
    assert "胰腺 नमस्ते" in texts(svg)


def test_charts_drawn_in_many_threads_are_those_drawn_in_one() -> None:
    with ThreadPoolExecutor(8) as pool:
        drawn = list(pool.map(lambda n: (curve if n % 2 else lanes)().markup, range(16)))
    assert set(drawn[::2]) == {lanes().markup}
    assert set(drawn[1::2]) == {curve().markup}


def test_matplotlib_is_imported_by_the_first_drawing_and_its_settings_left_alone() -> None:
    program = """
import sys
import cds.charts as c
assert "matplotlib" not in sys.modules
c.pictograph(1, 0, 2, c.PictographWords("a", "b", "c", "d"), "t", "d")
import matplotlib
assert "matplotlib.pyplot" not in sys.modules
now, before = matplotlib.rcParams, matplotlib.rcParamsOrig
changed = [k for k in matplotlib.rcParamsDefault if k != "backend" and now[k] != before[k]]
assert not changed, changed
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


def luminance(colour: str) -> float:
    full = colour[1:] if len(colour) == 7 else "".join(c * 2 for c in colour[1:])
    parts = [int(full[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


PALETTES = [
    dict(re.findall(r"--chart-(\w+): (#[0-9a-f]{3,6})\b", block))
    for block in re.findall(r"\{([^{}]*--chart-paper: #[^{}]*)\}", stylesheet())
]


@pytest.mark.parametrize("palette", PALETTES, ids=["light", "dark", "dark-chosen", "print"])
def test_contrast_is_enough_in_every_theme(palette: dict[str, str]) -> None:
    """4.5:1 for what text is written in, 3:1 for what is drawn; on the page, on the band and on a shaded period."""
    for ground in ("paper", "band", "shade"):
        for tone in ("ink", "soft", "main", "second", "third", "mark"):
            least = 4.5 if ground == "paper" or tone == "ink" else 3.0
            assert contrast(palette[tone], palette[ground]) >= least, (tone, ground)
