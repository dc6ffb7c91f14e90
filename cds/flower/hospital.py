"""The hospital's end: hands out signed results that lie in the outbox, and can make none.

A person puts them there with ``cds validation sign``. Nothing here reads a patient, a ledger or a private key, and
nothing a coordinator asks can change that.
"""

from __future__ import annotations

from pathlib import Path

from flwr.app import ConfigRecord, Context, Message, RecordDict
from flwr.clientapp import ClientApp

from cds.errors import ValidationRoundError
from cds.validation import keys
from cds.validation.result import Result

app = ClientApp()


@app.query()  # type: ignore[untyped-decorator]  # Flower's decorators have no types
def answer(message: Message, context: Context) -> Message:
    told = found(str(context.node_config.get("outbox", "")), str(message.content["round"]["digest"]))
    return Message(RecordDict({"answer": ConfigRecord(told)}), reply_to=message)


def found(outbox: str, digest: str) -> dict[str, str]:
    """``{"result": the signed file}`` of the round with this ``digest``, or ``{"absent": why}`` without a path or a
    name of the house in it."""
    folder = Path(outbox)
    if not outbox or not folder.is_dir():
        return {"absent": "this house's SuperNode has no outbox: start it with --node-config \"outbox='/a/folder'\""}
    for path in sorted(folder.glob("*.json")):
        try:
            held = keys.unverified(path)
            if Result.model_validate(held).round_digest == digest:
                return {"result": keys.read(path).decode()}
        except (ValidationRoundError, ValueError):
            continue  # something else lies there: it does not leave
    return {"absent": "nothing is signed for this round yet"}
