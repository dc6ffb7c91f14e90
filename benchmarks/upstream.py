"""A FHIR server far away: it answers what it was given, after a wait of its own for each resource type.

    python benchmarks/upstream.py PORT ANSWERS.json PATIENT

ANSWERS: ``{"Observation": {"delay_s": 0.1, "body": {...}}, ...}``, all about PATIENT, who becomes the patient that was
asked about (an id of the same length). One event loop and ready-made bytes, so that waiting is all it does: its own
work must not take the processor from the service that is measured.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from pathlib import Path

_ASKED_ABOUT = re.compile(rb"(?:/Patient/|[?&]patient=(?:Patient/)?)([^&/? ]+)")


def ready_made(answers: dict[str, dict[str, object]]) -> dict[str, tuple[float, bytes]]:
    made = {}
    for kind, answer in answers.items():
        content = json.dumps(answer["body"]).encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/fhir+json\r\nContent-Length: {len(content)}\r\n\r\n"
        made[kind] = (float(str(answer["delay_s"])), head.encode() + content)
    return made


async def serve(port: int, answers: dict[str, tuple[float, bytes]], patient: bytes) -> None:
    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                request = await reader.readuntil(b"\r\n\r\n")
                address = request.split(b" ", 2)[1].decode()
                kind = address.removeprefix("/fhir/").partition("?")[0].partition("/")[0]
                delay, answer = answers.get(kind, (0.0, b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"))
                asked = _ASKED_ABOUT.search(request)
                if asked is None or len(asked[1]) != len(patient):
                    raise SystemExit(f"which patient is that: {address}")
                await asyncio.sleep(delay)
                writer.write(answer.replace(patient, asked[1]))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(connection, "127.0.0.1", port)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), ready_made(json.loads(Path(sys.argv[2]).read_text())), sys.argv[3].encode()))
