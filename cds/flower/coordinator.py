"""The coordinator's end: asks every house on the network, believes what is signed by a known one, keeps it for
``cds validation pool``.

Of the run's configuration: ``round``, ``coordinator`` (its public key), ``hospitals`` (folder of public keys) and
``inbox``, absolute paths on the SuperLink's machine; ``houses``, how many to wait for, and ``wait-s``, how long.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from flwr.app import ConfigRecord, Context, Message, RecordDict
from flwr.serverapp import Grid, ServerApp

from cds.errors import ValidationRoundError
from cds.validation import keys, result, rounds
from cds.validation.fits import fits
from cds.validation.rounds import Round

app = ServerApp()


@app.main()  # type: ignore[untyped-decorator]  # Flower's decorators have no types
def main(grid: Grid, context: Context) -> None:
    told = context.run_config
    # houses have clocks of their own, and the coordinator's machine may have any: a round ends by UTC's
    today = datetime.now(UTC).date()
    asked = rounds.opened(_path(told, "round"), keys.load(_path(told, "coordinator"), private=False), today)
    inbox = Inbox(_path(told, "inbox"), asked, _path(told, "hospitals"))
    until = time.monotonic() + float(str(told.get("wait-s", 60)))
    nodes = _connected(grid, int(str(told.get("houses", 1))), until)
    question = RecordDict({"round": ConfigRecord({"digest": rounds.digest(asked)})})
    questions = [Message(question, node, "query") for node in nodes]
    for reply in grid.send_and_receive(questions, timeout=max(1.0, until - time.monotonic())):
        answer = None if reply.has_error() else reply.content.get("answer")
        inbox.take(dict(answer) if isinstance(answer, ConfigRecord) else {})
    print(inbox.told(len(nodes)), flush=True)


class Inbox:
    """Where results arrive. A result is kept if a house whose key is known signed it and it answers the round."""

    def __init__(self, folder: Path, asked: Round, hospitals: Path) -> None:
        """Raises ValidationRoundError."""
        self._folder, self._asked = folder, asked
        self._known = [keys.load(path, private=False) for path in sorted(hospitals.glob("*.pub.json"))]
        if not self._known:
            raise ValidationRoundError(f"{hospitals} holds no *.pub.json: put the hospitals' public keys there")
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ValidationRoundError(f"inbox: {folder} could not be made: {error.strerror}") from error
        self._kept: dict[str, str] = {}
        self._others: list[str] = []

    def take(self, answer: Mapping[str, object]) -> None:
        """One house's answer. A later one of the same key takes an earlier one's place."""
        text = answer.get("result")
        if not isinstance(text, str):
            self._others.append(
                _printable(str(answer.get("absent", "the house's SuperNode failed; its log says why"))[:200])
            )
            return
        part = self._folder / "arriving.part"
        try:
            part.write_text(text, encoding="utf-8")
            signer = keys.signer(part, self._known)
            one = result.opened(part, signer)
            fits(self._asked, one)
            part.replace(self._folder / f"{signer.thumbprint()}.json")
            self._kept[one.site] = keys.fingerprint(signer)
        except ValidationRoundError as error:
            part.unlink(missing_ok=True)
            self._others.append(f"refused: {error}")

    def told(self, houses: int) -> str:
        silent = houses - len(self._kept) - len(self._others)
        lines = [f"round {self._asked.id}: {houses} houses asked, {len(self._kept)} results in {self._folder}"]
        lines += [f"  {site}, signed by {fingerprint}" for site, fingerprint in sorted(self._kept.items())]
        lines += [f"  no result: {why}" for why in self._others]
        lines += [f"  no answer in time from {silent}: run again later"] * bool(silent)
        return "\n".join(lines)


def _connected(grid: Grid, houses: int, until: float) -> list[int]:
    nodes = list(grid.get_node_ids())
    while len(nodes) < houses and time.monotonic() < until - 1:
        time.sleep(0.5)
        nodes = list(grid.get_node_ids())
    return nodes


def _printable(text: str) -> str:
    """Of another house: nothing in it moves the cursor of who reads."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _path(told: Mapping[str, object], name: str) -> Path:
    path = Path(str(told.get(name, "")))
    if not path.is_absolute():
        raise ValidationRoundError(f"{name}: give an absolute path in --run-config, not '{path}'")
    return path
