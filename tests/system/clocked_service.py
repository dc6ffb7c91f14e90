"""``python clocked_service.py CLOCK SETTINGS``: the service with a wall clock that is wrong by the seconds in a file.

In place of libfaketime, under which Python's own ``time.sleep`` fails. What does not jump is the monotonic clock, as on
a machine whose time of day is set.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from flask import Flask

from cds import serve
from cds.app import create_app
from cds.settings import load


def main() -> None:
    wrong_by = Path(sys.argv[1])

    def now() -> datetime:
        return datetime.now(UTC) + timedelta(seconds=float(wrong_by.read_text() or 0))

    class Clocked(serve.Server):
        def load(self) -> Flask:
            return create_app(self.settings, now=now)

    serve.Server = Clocked  # type: ignore[misc]
    serve.serve(load(Path(sys.argv[2])))


if __name__ == "__main__":
    main()
