"""Cards as a terminal shows them."""

from __future__ import annotations

import re
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.markdown import Markdown
from rich.panel import Panel
from rich.text import Text

_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_STYLE = {"critical": "bold red", "warning": "yellow", "info": "cyan"}


def card(console: Console, content: dict[str, Any]) -> None:
    """Of any server, so nothing in it is taken for granted."""
    indicator = _text(content.get("indicator")) or "info"
    parts: list[RenderableType] = [Text(_text(content.get("summary")), style="bold")]
    if detail := _text(content.get("detail")):
        parts += [Text(""), Markdown(detail)]
    for suggestion in _blocks(content.get("suggestions")):
        star = " (recommended)" if suggestion.get("isRecommended") else ""
        parts.append(Text(f"[ {_text(suggestion.get('label'))} ]{star}", style="green"))
    reasons = [
        _text(reason.get("display")) or _text(reason.get("code")) for reason in _blocks(content.get("overrideReasons"))
    ]
    if reasons:
        parts.append(Text("Override: " + " · ".join(reasons), style="dim"))
    (source,) = _blocks([content.get("source")]) or [{}]
    (topic,) = _blocks([source.get("topic")]) or [{}]
    told = (_text(source.get("label")), _text(source.get("url")), _text(topic.get("code")))
    parts.append(Text(" · ".join(x for x in told if x), style="dim"))
    console.print(
        Panel(Group(*parts), title=indicator.upper(), title_align="left", border_style=_STYLE.get(indicator, "cyan"))
    )


_WHY = {
    "snoozed": "somebody gave a reason not to follow it ({code})",
    "shown-before": "this user was shown it before, and nothing about it is new",
    "over-clinician-budget": "this user has had as many cards today as the policy allows",
    "over-patient-budget": "it was shown for this patient as often as the policy allows",
    "over-card-limit": "more important cards took its place",
}


def held_back(console: Console, held: list[dict[str, Any]]) -> None:
    """What was ready and not shown. ``held``: rows of ``GET /calls/{hookInstance}`` with a label."""
    for one in held:
        kind, _, code = str(one.get("reason", "")).partition(":")
        why = _WHY[kind].format(code=code) if kind in _WHY else kind
        until = f"; again from {one['until']}" if one.get("until") else ""
        said = harmless(f"Held back: {one['label']} ({one.get('topic', '')}): {why}{until}.")
        console.print(said, style="dim", markup=False)
    if held:
        console.print("What was held back can be read in the patient's report.", style="dim")


def cards(console: Console, response: dict[str, Any]) -> None:
    found = response.get("cards", [])
    if not found:
        console.print("No cards: nothing to say.", style="dim")
    for content in _blocks(found):
        card(console, content)
    if odd := len(found) - len(_blocks(found)):
        console.print(f"{odd} more that are no cards: a card is an object.", style="red")
    for action in _blocks(response.get("systemActions")):
        said = f"{_text(action.get('type'))}: {_text(action.get('description'))}"
        console.print(f"Done without being asked (systemActions): {said}", style="red", markup=False)


def harmless(text: str) -> str:
    """Without what a terminal would do instead of showing it: move the cursor, rewrite a line, rename the window."""
    return _CONTROLS.sub("\N{REPLACEMENT CHARACTER}", text)


def _text(value: Any) -> str:
    return harmless(value) if isinstance(value, str) else "" if value is None else repr(value)


def _blocks(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
