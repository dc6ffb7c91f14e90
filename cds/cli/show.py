"""Cards as a terminal shows them."""

from __future__ import annotations

from typing import Any

from rich.console import Console, Group, RenderableType
from rich.markdown import Markdown
from rich.panel import Panel
from rich.text import Text

_STYLE = {"critical": "bold red", "warning": "yellow", "info": "cyan"}


def card(console: Console, content: dict[str, Any]) -> None:
    indicator = content.get("indicator", "info")
    parts: list[RenderableType] = [Text(content.get("summary", ""), style="bold")]
    if content.get("detail"):
        parts += [Text(""), Markdown(content["detail"])]
    for suggestion in content.get("suggestions", ()):
        star = " (recommended)" if suggestion.get("isRecommended") else ""
        parts.append(Text(f"[ {suggestion['label']} ]{star}", style="green"))
    reasons = [reason.get("display", "") for reason in content.get("overrideReasons", ())]
    if reasons:
        parts.append(Text("Override: " + " · ".join(reasons), style="dim"))
    source = content.get("source", {})
    topic = source.get("topic", {}).get("code", "")
    parts.append(Text(" · ".join(x for x in (source.get("label", ""), source.get("url", ""), topic) if x), style="dim"))
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
        why = _WHY.get(kind, kind).format(code=code)
        until = f"; again from {one['until']}" if one.get("until") else ""
        console.print(f"Held back: {one['label']} ({one.get('topic', '')}): {why}{until}.", style="dim", markup=False)
    if held:
        console.print("What was held back can be read in the patient's report.", style="dim")


def cards(console: Console, response: dict[str, Any]) -> None:
    found = response.get("cards", [])
    if not found:
        console.print("No cards: nothing to say.", style="dim")
    for content in found:
        card(console, content)
