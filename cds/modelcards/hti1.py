"""The 31 source attributes of a predictive decision support intervention, as JSON (45 CFR 170.315(b)(11)(iv)(B))."""

from __future__ import annotations

import json

from cds.inference.attributes import complete
from cds.inference.model import Model

RULE = "45 CFR 170.315(b)(11)(iv)(B)"


def document(model: Model) -> str:
    m = model.manifest
    attributes = [
        {"number": a.number, "name": a.name, "description": a.description, "text": a.text or None, "origin": a.origin}
        for a in complete(m, model.shared)
    ]
    content = {
        "rule": RULE,
        "model": {"id": m.id, "version": m.version, "title": m.words.title.get("en", m.id), "status": m.status.value},
        "attributes": attributes,
    }
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"
