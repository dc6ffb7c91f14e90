"""What the benchmarks send: a patient-view call of about 50 kB from a demo patient, and signed tokens to go with it.

The values are the stories' own. A chart is longer than 50 kB, so of each laboratory code the newest results are kept,
one more of each code in turn, until the body is full: what an EHR sends that limits how far back it looks.
"""

from __future__ import annotations

import json
import time
import uuid
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from itertools import zip_longest
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

from cds.demo.fhir_endpoint import create_fhir_app
from hooks import stories

SIZE = 50_000
WITH_CARD, WITHOUT_CARD = "new-diabetes", "two-labs"
USER = "Practitioner/0000"

Json = dict[str, Any]


def prefetch(story_id: str, templates: dict[str, str]) -> Json:
    """Every template of a service answered by the embedded FHIR endpoint, whole, in one page each."""
    endpoint = create_fhir_app(stories.build(stories.story(story_id), date.today()), page_size=1000).test_client()
    found = {}
    for key, template in templates.items():
        answer = endpoint.get("/fhir/" + template.replace("{{context.patientId}}", story_id))
        if answer.status_code != 200:
            raise SystemExit(f"the embedded FHIR endpoint answered {answer.status_code} to {template}")
        found[key] = answer.json
    return found


def body(story_id: str, templates: dict[str, str], size: int = SIZE) -> bytes:
    """A call with prefetch, at most ``size`` bytes of JSON."""
    sent = prefetch(story_id, templates)
    observations = sent["observations"].pop("entry")
    call = {
        "hook": "patient-view",
        "hookInstance": str(uuid.uuid4()),
        "context": {"userId": USER, "patientId": story_id},
        "prefetch": sent,
    }
    room = size - len(_json(call)) - len('"entry":[],')
    kept = []
    for entry in _newest_of_each_code(observations):
        room -= len(_json(entry)) + 1
        if room < 0:
            break
        kept.append(entry)
    sent["observations"] |= {"entry": kept, "total": len(kept)}
    return _json(call)


def without_prefetch(story_id: str, fhir_server: str) -> bytes:
    return _json(
        {
            "hook": "patient-view",
            "hookInstance": str(uuid.uuid4()),
            "fhirServer": fhir_server,
            "context": {"userId": USER, "patientId": story_id},
        }
    )


def holds(call: bytes) -> str:
    """``49.8 kB: 32 observations, 9 conditions, ...``"""
    counts = {key: len(value.get("entry", ())) or 1 for key, value in json.loads(call)["prefetch"].items()}
    return f"{len(call) / 1000:.1f} kB: " + ", ".join(f"{n} {key}" for key, n in counts.items())


def _newest_of_each_code(entries: list[Json]) -> Iterator[Json]:
    by_code: dict[str, list[Json]] = defaultdict(list)
    for entry in entries:  # the endpoint sorts newest first
        by_code[json.dumps(entry["resource"]["code"], sort_keys=True)].append(entry)
    for turn in zip_longest(*by_code.values()):
        yield from (entry for entry in turn if entry is not None)


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


@dataclass(frozen=True)
class Ehr:
    """A client that signs each call anew, as CDS Hooks asks: RS384, a fresh ``jti``, one address."""

    issuer: str = "https://ehr.bench.invalid"
    kid: str = "bench"

    @cached_property
    def _key(self) -> rsa.RSAPrivateKey:
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)

    @property
    def jwks(self) -> Json:
        key = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self._key.public_key()))
        return {"keys": [key | {"kid": self.kid, "alg": "RS384", "use": "sig"}]}

    def tokens(self, audience: str, count: int) -> list[str]:
        """Made before the clock starts: signing is the EHR's cost, not the service's. Good for five minutes, the most
        that CDS Hooks recommends: the service remembers each for as long as it is good."""
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": audience, "iat": now, "exp": now + 300}
        return [
            jwt.encode(claims | {"jti": str(uuid.uuid4())}, self._key, algorithm="RS384", headers={"kid": self.kid})
            for _ in range(count)
        ]
