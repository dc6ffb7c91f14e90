"""What a card proposes to order: an order that can't be made costs the proposal, never the card."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from manifest_card import BOOKS, policy
from pydantic import ValidationError

from cds.cards.compose import compose, draft_order
from cds.policy.blocks import Order
from cds.policy.schema import Policy
from cds.protocol.request import Context
from cds.services import CardDraft
from cds.services.case import Proposal

CONTEXT = Context(userId="Practitioner/1", patientId="p-41")
LOOK = Proposal("look", "Order a look", "routine", "because of p-41")
DRAFT = CardDraft("service-failed", "action", "warning", "Look", "At once.", "Tests", proposals=(LOOK,))
AWKWARD = st.text(st.sampled_from("a1 \t\n\r\v\u00a0\u2003\u0085\u200bé/:"), max_size=6)


def ordering(**changed: str) -> Policy:
    """A policy with an order that was never validated, as none that is read has."""
    found = policy()
    order = found.orders["look"].model_copy(update=changed)
    return found.model_copy(update={"orders": {"look": order, "talk": found.orders["look"]}})


@pytest.mark.parametrize(
    ("proposal", "changed"),
    [(LOOK, {"code": "CTPANC "}), (Proposal("lok", "Order a look", "routine", "because of p-41"), {})],
)
def test_an_order_that_cannot_be_made_is_left_out_not_the_card(
    proposal: Proposal, changed: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    talk = Proposal("talk", "Order a talk", "routine", "because")
    draft = CardDraft(**{**vars(DRAFT), "proposals": (proposal, talk)})
    card = compose(draft, ordering(**changed), BOOKS.book("en"), CONTEXT, "p-41")
    assert (card.indicator, card.summary) == ("warning", "Look")
    assert [s.label for s in card.suggestions] == ["Order a talk"]
    assert f"order.dropped topic=service-failed order={proposal.order} code=CDS-102" in caplog.text
    assert "p-41" not in caplog.text


def test_a_card_that_lost_its_only_order_has_nothing_to_choose_from() -> None:
    card = compose(DRAFT, ordering(display=""), BOOKS.book("en"), CONTEXT, "p-41")
    assert (card.suggestions, card.selectionBehavior) == ((), None)


@given(system=AWKWARD, code=AWKWARD, display=AWKWARD)
def test_what_a_policy_takes_as_an_order_fhir_takes_too(system: str, code: str, display: str) -> None:
    try:
        order = Order(system=system, code=code, display=display)
    except ValidationError:
        return
    found = policy().model_copy(update={"orders": {"look": order}})
    assert draft_order(LOOK, found, CONTEXT, "p-41")["code"]["coding"][0]["code"] == code
