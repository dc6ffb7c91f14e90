"""Browser clients: CORS for the origins a client's settings list, and for no other."""

from __future__ import annotations

import pytest
from requirements import requirement
from service import Clock, Json, Keys, MakeApp, SignedClient, context_of, prefetcher, request, signed_settings

CALL = "/cds-services/pancreas-risk"
FEEDBACK = f"{CALL}/feedback"
ORIGIN = "https://sandbox.cds-hooks.example"
PREFLIGHT = {
    "Origin": ORIGIN,
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization,content-type",
}


@pytest.fixture(scope="module")
def browser_client(make_app: MakeApp, client_keys: Keys) -> SignedClient:
    """A production client that runs in a browser."""
    settings = signed_settings(client_keys.public_set(), cors_origins=[ORIGIN])
    return SignedClient(make_app(now=Clock(), **settings), client_keys, Clock())


@pytest.fixture(scope="module")
def body(browser_client: SignedClient) -> Json:
    prefetch = prefetcher(browser_client.app)("new-diabetes")
    return request("patient-view", context_of("new-diabetes", "patient-view"), prefetch)


@requirement(40)
@pytest.mark.parametrize("path", ["/cds-services", CALL, FEEDBACK])
def test_a_preflight_is_answered_without_a_jwt(browser_client: SignedClient, path: str) -> None:
    answer = browser_client.app.test_client().options(path, headers=PREFLIGHT)
    assert answer.status_code == 204
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert {"GET", "POST"} <= set(answer.headers["Access-Control-Allow-Methods"].split(", "))
    allowed = answer.headers["Access-Control-Allow-Headers"].lower().split(", ")
    assert {"authorization", "content-type"} <= set(allowed)


@requirement(40)
def test_answers_may_be_read_by_the_listed_origin_and_no_other(browser_client: SignedClient, body: Json) -> None:
    for origin, expected in ((ORIGIN, ORIGIN), ("https://evil.example", None), ("null", None)):
        answer = browser_client.post(CALL, body, None, Origin=origin)
        assert answer.status_code == 200
        assert answer.headers.get("Access-Control-Allow-Origin") == expected
        assert "Origin" in answer.headers["Vary"]
        refusal = browser_client.post(CALL, body, "", Origin=origin)
        assert refusal.status_code == 401
        assert refusal.headers.get("Access-Control-Allow-Origin") == expected


@requirement(40)
def test_without_browser_clients_no_origin_is_let_in(signed_client: SignedClient) -> None:
    answer = signed_client.app.test_client().options(CALL, headers=PREFLIGHT)
    assert answer.status_code == 200
    assert "Access-Control-Allow-Origin" not in answer.headers
