"""What a service is called and what it does, in the reader's language."""

from __future__ import annotations

from cds.cards.phrasebook import Phrasebook
from cds.services.declaration import Service


def told(service: Service, words: Phrasebook) -> tuple[str, str]:
    """(title, description): the catalogue's ``service.<id>.<hook>.title`` and ``.description``, else those of the
    manifest that describes it, else as it was declared, in English."""
    key = f"service.{service.id}.{service.hook}"
    title, description = service.said.get(words.language, (service.title, service.description))
    return words.texts.get(f"{key}.title", title), words.texts.get(f"{key}.description", description)
