"""A card's detail, GitHub-flavoured Markdown, as safe HTML: no raw HTML, no images, links only to web addresses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markupsafe import Markup

_HEADINGS = {f"h{n}": f"h{min(n + 3, 6)}" for n in range(1, 7)}


def _reader() -> MarkdownIt:
    reader = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"]).disable("image")
    # a wide table scrolls in its own box, which the keyboard can reach; the page never scrolls sideways
    reader.add_render_rule("table_open", _table_open)
    reader.add_render_rule("table_close", _table_close)
    return reader


def _table_open(self: RendererHTML, tokens: Sequence[Token], at: int, options: Any, env: Any) -> str:
    return '<div class="scroll" tabindex="0"><table>'


def _table_close(self: RendererHTML, tokens: Sequence[Token], at: int, options: Any, env: Any) -> str:
    return "</table></div>"


_READER = _reader()


def is_web(url: str) -> bool:
    return url.startswith(("https://", "http://"))


def to_html(text: str) -> tuple[Markup, bool]:
    """(HTML, whether it holds a table). Headings go below the page's own."""
    tokens = _READER.parse(text)
    for token in tokens:
        token.tag = _HEADINGS.get(token.tag, token.tag)
        for child in token.children or ():
            if child.type == "link_open":
                if not is_web(str(child.attrs.get("href", ""))):
                    child.attrs["href"] = "#"
                child.attrs |= {"target": "_blank", "rel": "noreferrer"}
    html = _READER.renderer.render(tokens, _READER.options, {})
    return Markup(html), any(token.type == "table_open" for token in tokens)
