"""The model card as one self-contained page: no script, nothing fetched, readable on paper and in the dark."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markdown_it import MarkdownIt
from markupsafe import Markup

from cds.inference.model import Model
from cds.modelcards import markdown

_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent),
    autoescape=True,
    undefined=StrictUndefined,
    keep_trailing_newline=True,
)
# a manifest is written by people who may paste anything: its HTML stays text
_READER = MarkdownIt("commonmark", {"html": False}).enable("table")


def page(model: Model) -> str:
    text = markdown.card(model).replace(f"{markdown.GENERATED}\n", "")
    body = Markup(_READER.render(text))  # nosec B704 # rendered without HTML
    return _TEMPLATES.get_template("card.html").render(model=model.manifest, body=body)
