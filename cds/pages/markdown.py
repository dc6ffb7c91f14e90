"""A card's detail, GitHub-flavoured Markdown, as safe HTML: no raw HTML, no images, links only to web addresses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markupsafe import Markup

_SHORT = 240
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


@dataclass(frozen=True)
class Detail:
    """``lead`` is shown at once, ``rest`` when asked for; either may be empty."""

    lead: Markup
    rest: Markup


def parts(text: str, indicator: str) -> Detail:
    """A card has five seconds: a long detail shows its first paragraph and keeps the rest folded. Information with a
    table is folded whole: figures a clinician may not want on the screen unasked."""
    tokens = _parsed(text)
    if indicator == "info" and any(token.type == "table_open" for token in tokens):
        return Detail(Markup(""), _html(tokens))
    if len(text) <= _SHORT:
        return Detail(_html(tokens), Markup(""))
    ends = (i for i, token in enumerate(tokens) if token.type == "paragraph_close" and token.level == 0)
    cut = next(ends, -1) + 1
    return Detail(_html(tokens[:cut]), _html(tokens[cut:]))


def to_html(text: str) -> Markup:
    """Headings go below the page's own."""
    return _html(_parsed(text))


def _parsed(text: str) -> list[Token]:
    tokens = _READER.parse(text)
    for at, token in enumerate(tokens):
        token.tag = _HEADINGS.get(token.tag, token.tag)
        if token.type == "th_open" and not tokens[at + 1].content:
            # the corner of a table heads nothing
            token.tag = tokens[at + 2].tag = "td"
        for child in token.children or ():
            if child.type == "link_open":
                if not is_web(str(child.attrs.get("href", ""))):
                    child.attrs["href"] = "#"
                child.attrs |= {"target": "_blank", "rel": "noopener noreferrer"}
    return tokens


def _html(tokens: Sequence[Token]) -> Markup:
    return Markup(_READER.renderer.render(tokens, _READER.options, {}))  # nosec B704 # rendered without HTML
