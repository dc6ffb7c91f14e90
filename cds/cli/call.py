"""``cds call``: be the EHR. Fire one hook at any CDS server for one FHIR patient and print the cards."""

from __future__ import annotations

import json
import sys
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import requests
from rich.console import Console
from rich.text import Text

from cds.cli import show


@click.command()
@click.argument("url")
@click.option("--hook", default="patient-view", show_default=True, help="Hook to fire.")
@click.option("--service", help="Service id. Default: every service that answers the hook.")
@click.option("--patient", "patient_id", required=True, help="Id of the patient on the FHIR server.")
@click.option("--fhir", "fhir_base", required=True, help="FHIR base address, such as https://ehr.example.org/fhir.")
@click.option("--user", default="Practitioner/1", show_default=True, help="context.userId.")
@click.option("--encounter", help="context.encounterId.")
@click.option(
    "--draft-orders", type=click.Path(exists=True, path_type=Path), help="JSON Bundle of draft orders (order hooks)."
)
@click.option("--no-prefetch", is_flag=True, help="Send no prefetch: the service has to fetch everything.")
@click.option("--token", envvar="CDS_CALL_TOKEN", help="JWT for the Authorization header. Better: $CDS_CALL_TOKEN.")
@click.option(
    "--key",
    type=click.Path(exists=True, path_type=Path),
    help="Private key (PEM) that signs each call as an EHR does; `cds site key` makes one. Needs --issuer.",
)
@click.option("--issuer", help="iss of the calls signed with --key, as in the client's settings.")
@click.option("--language", default="en", show_default=True, help="Accept-Language.")
@click.option("--json", "as_json", is_flag=True, help="Print the raw response.")
def call(
    url: str,
    hook: str,
    service: str | None,
    patient_id: str,
    fhir_base: str,
    user: str,
    encounter: str | None,
    draft_orders: Path | None,
    no_prefetch: bool,
    token: str | None,
    key: Path | None,
    issuer: str | None,
    language: str,
    as_json: bool,
) -> None:
    """Fire HOOK at the CDS server at URL and print its cards.

    URL is the server's base address; /cds-services is added. The server's discovery document says which data to send
    along, and this command fetches it from the FHIR server, as an EHR would.

    \b
      cds call http://127.0.0.1:8080 --patient new-diabetes --fhir http://127.0.0.1:8000/fhir
    """
    console = Console()
    if (key is None) != (issuer is None):
        raise click.ClickException("--key and --issuer belong together; one is missing")
    if key is not None and issuer is not None:
        # a server that wants to know who calls may want it of discovery, too
        services = discover(url, hook, service, _signed(key, issuer, f"{url.rstrip('/')}/cds-services"))
    else:
        services = discover(url, hook, service, token)
    if not services:
        raise click.ClickException(f"no service at {url} answers {hook}" + (f" as '{service}'" if service else ""))
    context = _context(hook, patient_id, user, encounter, draft_orders)
    worst = 0
    for found in services:
        templates = found.get("prefetch")
        templates = templates if isinstance(templates, dict) else {}
        body = build(hook, context, fhir_base, None if no_prefetch else templates)
        if key is not None and issuer is not None:
            token = _signed(key, issuer, f"{url.rstrip('/')}/cds-services/{found['id']}")
        answer = _post(url, found["id"], body, token, language)
        if as_json:
            click.echo(answer.text)
        elif (told := _answered(answer)) is not None:
            took = answer.elapsed.total_seconds() * 1000
            console.rule(Text(f"{show.harmless(found['id'])} · {hook} · {took:.0f} ms"))
            show.cards(console, told)
            show.held_back(console, held_back(url, body["hookInstance"], found["id"], token))
        else:
            what = "no answer of CDS Hooks, which is an object with an array of cards: " if answer.ok else ""
            line = f"{found['id']}: {answer.status_code}: {what}{fault(answer)}"
            console.print(show.harmless(line), style="red", markup=False)
        worst = max(worst, 0 if _answered(answer) is not None else 1)
    sys.exit(worst)


def _answered(answer: requests.Response) -> dict[str, Any] | None:
    """What a CDS service answers a call with; None for anything else, whatever its status."""
    told = _object(answer) if answer.status_code == 200 else None
    return told if told is not None and isinstance(told.get("cards"), list) else None


def _signed(key: Path, issuer: str, service: str) -> str:
    """A token of its own for each call: it is for one service, and good once. Raises ClickException."""
    from cds.trust.own_keys import call_token, signing_key  # slow to import, and most calls are not signed here

    try:
        return call_token(signing_key(key.read_bytes()), issuer, service, datetime.now(UTC))
    except ValueError as error:
        raise click.ClickException(f"{key} holds no private key that signs calls (PEM, RSA or P-384)") from error


def discover(url: str, hook: str, service: str | None, token: str | None) -> list[dict[str, Any]]:
    """Services of a server that answer ``hook``, as its discovery document has them. Raises ClickException."""
    address = f"{url.rstrip('/')}/cds-services"
    try:
        answer = requests.get(address, headers=_headers(token, "en"), timeout=10)
    except requests.RequestException as error:
        raise click.ClickException(f"{address} can't be read: {_why(error)}") from error
    if not answer.ok:
        raise click.ClickException(f"{address} can't be read: it answered {answer.status_code}")
    try:
        listed = answer.json()["services"]
        # one entry that is none spoils no other
        named = [s for s in listed if isinstance(s, dict) and {str} == {type(s.get(key)) for key in ("id", "hook")}]
        if len(named) < len(listed) and not named:
            raise TypeError("none of them is a service")
    except (ValueError, KeyError, TypeError) as error:
        raise click.ClickException(f"{address} is no CDS Hooks discovery document") from error
    return [s for s in named if s["hook"] == hook and service in (None, s["id"])]


def build(hook: str, context: dict[str, Any], fhir_base: str, templates: dict[str, str] | None) -> dict[str, Any]:
    """A request body, with the prefetch templates filled from the FHIR server; the key of a query that failed, or that
    asks for what this command can't fill in, is left out, as an EHR leaves it out."""
    body: dict[str, Any] = {
        "hook": hook,
        "hookInstance": str(uuid.uuid4()),
        "fhirServer": fhir_base,
        "context": context,
    }
    if templates is not None:
        body["prefetch"] = {}
        for key, query in templates.items():
            if not isinstance(query, str):
                continue
            for name, value in context.items():
                if isinstance(value, str):
                    query = query.replace("{{context." + name + "}}", value)
            if "{{" in query:
                continue
            try:
                answer = requests.get(
                    f"{fhir_base.rstrip('/')}/{query}", headers={"Accept": "application/fhir+json"}, timeout=30
                )
            except requests.RequestException as error:
                raise click.ClickException(f"the FHIR server {fhir_base} can't be read: {_why(error)}") from error
            if answer.ok and _object(answer) is not None:
                body["prefetch"][key] = answer.json()
    return body


def held_back(url: str, instance: str, service: str, token: str | None) -> list[dict[str, Any]]:
    """Cards that were ready and were not shown, as this service tells of its own calls; none from one that doesn't. A
    token is good for one call, so a signed caller asks by itself."""
    if token:
        return []
    try:
        told = _object(requests.get(f"{url.rstrip('/')}/calls/{instance}", timeout=10)) or {}
    except requests.RequestException:
        return []
    rows = told.get("calls")
    mine = [r for r in rows if isinstance(r, dict) and r.get("service") == service] if isinstance(rows, list) else []
    held = [h for row in mine for h in row.get("heldBack") or () if isinstance(h, dict)]
    return [h for h in held if h.get("label")]


def _context(hook: str, patient: str, user: str, encounter: str | None, drafts: Path | None) -> dict[str, Any]:
    context: dict[str, Any] = {"userId": user, "patientId": patient}
    if encounter or hook.startswith("encounter-"):
        context["encounterId"] = encounter or "1"
    if hook in ("order-select", "order-sign"):
        if drafts is None:
            raise click.UsageError(f"{hook} needs --draft-orders: a JSON file with the Bundle of orders")
        try:
            bundle = json.loads(drafts.read_text(encoding="utf-8-sig"))
            orders = [f"{e['resource']['resourceType']}/{e['resource']['id']}" for e in bundle["entry"]]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise click.UsageError(f"{drafts} is not a Bundle of orders with an id each, as JSON") from error
        context["draftOrders"] = bundle
        if hook == "order-select":
            context["selections"] = orders
    return context


def _post(url: str, service: str, body: dict[str, Any], token: str | None, language: str) -> requests.Response:
    try:
        return requests.post(
            f"{url.rstrip('/')}/cds-services/{service}", json=body, headers=_headers(token, language), timeout=30
        )
    except requests.RequestException as error:
        raise click.ClickException(f"{url} does not answer: {_why(error)}") from error


def _headers(token: str | None, language: str) -> dict[str, str]:
    headers = {"Accept-Language": language}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    return headers


def _why(error: requests.RequestException) -> str:
    """The reason in words: the library's own text is a chain of its internal exceptions."""
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    if isinstance(error, requests.exceptions.SSLError):
        return "its TLS certificate is not trusted here"
    if isinstance(error, requests.ConnectionError):
        return "nothing answers there"
    return f"not an address that can be called ({type(error).__name__})"


def _object(answer: requests.Response) -> dict[str, Any] | None:
    """The JSON object in an answer; None when something else came."""
    try:
        content = answer.json()
    except ValueError:
        return None
    return content if isinstance(content, dict) else None


def fault(answer: requests.Response) -> str:
    """The sentence in an OperationOutcome, or the start of whatever came instead."""
    try:
        return str(answer.json()["issue"][0]["details"]["text"])
    except (ValueError, KeyError, IndexError, TypeError):
        return answer.text[:200]
