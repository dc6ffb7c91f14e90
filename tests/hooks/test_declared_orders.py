"""What the stories' cards propose is declared by a service or a model: so is a policy's misspelt order found."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

import hooks
import models
from cds import services as service_room
from cds.inference import registry

GOLDEN = Path(__file__).parents[1] / "golden"


def test_what_cards_propose_is_declared() -> None:
    packaged = yaml.safe_load((Path(hooks.__file__).parent / "policy.yaml").read_text(encoding="utf-8"))["orders"]
    names = {order["code"]: name for name, order in packaged.items()}
    told = "\n".join(path.read_text(encoding="utf-8") for path in sorted(GOLDEN.rglob("*.md")))
    proposed = {names[code] for code in re.findall(r"^-> .* = (?:routine|urgent|asap) (\S+)$", told, re.MULTILINE)}
    assert proposed >= {"ct-pancreas", "referral-hpb", "blood-count-differential", "eus"}
    declared = service_room.load().orders() | registry.load([Path(models.__file__).parent]).orders()
    assert proposed <= declared
