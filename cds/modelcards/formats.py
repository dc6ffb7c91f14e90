"""The formats a model card can take."""

from __future__ import annotations

from cds.inference.model import Model

FORMATS = ("markdown", "html", "chai", "hti1", "fhir")


def write(model: Model, kind: str) -> str:
    """The card as text, ending in a newline. ``kind`` is one of ``FORMATS``; each brings its library only when used."""
    match kind:
        case "markdown":
            from cds.modelcards.markdown import card

            return card(model)
        case "html":
            from cds.modelcards.html import page

            return page(model)
        case "chai":
            from cds.modelcards.chai.card import xml

            return xml(model)
        case "hti1":
            from cds.modelcards.hti1 import document

            return document(model)
        case "fhir":
            from cds.modelcards.transparency import bundle

            return bundle(model)
    raise ValueError(f"'{kind}' is not a format: {', '.join(FORMATS)}")
