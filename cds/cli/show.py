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


def cards(console: Console, response: dict[str, Any]) -> None:
    found = response.get("cards", [])
    if not found:
        console.print("No cards: nothing to say.", style="dim")
    for content in found:
        card(console, content)
