"""What CDS Hooks asks of a service, in 43 points, and the decorator by which a test names the points it proves.

Clauses are section titles of CDS Hooks 2.0.1 (STU 2 errata); "3.0" marks what only the 3.0.0 ballot says, "library" the
CDS Hooks Library, "practice" the project's published best practices for implementers. A point (or a part of one) that
a test can't prove says why in ``reason``. docs/conformance.md is written from this table by scripts/conformance-table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

Strength = Literal["SHALL", "SHOULD", "MAY"]


@dataclass(frozen=True)
class Requirement:
    topic: str
    strength: Strength
    """The strongest word in the point."""
    text: str
    clause: str
    reason: str = ""
    """Why the point, or the part named, does not apply to this service or is not for a test."""


_ROWS: tuple[tuple[int, Requirement], ...] = (
    (
        1,
        Requirement(
            "JSON",
            "SHALL",
            "Bodies are JSON, FHIR resources inside them FHIR JSON; HTTPS in production.",
            "Use of JSON; Security and Safety",
            "HTTPS: TLS ends at the ingress or reverse proxy in front of this process (README, step 4).",
        ),
    ),
    (
        2,
        Requirement(
            "JSON",
            "SHALL",
            "Optional members without a value are left out: no null, empty string, empty array or empty object, except "
            "an empty list of cards or services.",
            "Use of JSON",
        ),
    ),
    (3, Requirement("JSON", "SHOULD", "Strict JSON: no comments, no trailing commas.", "Use of JSON")),
    (
        4,
        Requirement(
            "Discovery",
            "SHALL",
            "GET {base}/cds-services always answers 200 with an object that holds the array `services`.",
            "Discovery",
        ),
    ),
    (5, Requirement("Discovery", "SHALL", "Each service states hook, id and description.", "Discovery, Response")),
    (
        6,
        Requirement(
            "Discovery",
            "SHOULD",
            "Each service has a title; version is the specification's, as semver; a hookVersion that is present is the "
            "published one; usage requirements and prefetch may be stated.",
            "Discovery, Response; 3.0 Discovery",
        ),
    ),
    (
        7,
        Requirement(
            "Discovery",
            "MAY",
            "One id may answer several hooks; the request's hook chooses, and a later card replaces an earlier one.",
            "Discovery, Response",
        ),
    ),
    (
        8,
        Requirement(
            "Discovery",
            "MAY",
            "Other status codes may be used; a client that signs its discovery call is answered as well as one that "
            "does not.",
            "Discovery, Response; Trusting CDS Clients",
            "Discovery asks for no JWT here: it holds nothing that the published documentation does not.",
        ),
    ),
    (
        9,
        Requirement(
            "Discovery",
            "SHALL",
            "A service lives at {base}/cds-services/{id}, stable, with an id safe in an address.",
            "Discovery, Response",
        ),
    ),
    (
        10,
        Requirement(
            "Prefetch templates",
            "SHALL",
            "Prefetch is an object of key to string, each a relative FHIR read or search.",
            "Prefetch Template",
        ),
    ),
    (
        11,
        Requirement(
            "Prefetch templates",
            "SHALL",
            "Tokens stand in double braces and name only a root field of the hook's context that the hook allows as a "
            "token, or one of the four user tokens.",
            "Prefetch tokens",
        ),
    ),
    (
        12,
        Requirement(
            "Prefetch templates",
            "SHALL",
            "Templates keep to the common subset: instance read; type search by reference, token equality, date "
            "comparison, _count and _sort.",
            "Prefetch query restrictions",
        ),
    ),
    (
        13,
        Requirement(
            "Prefetch templates",
            "MAY",
            "FHIRPath tokens, today() and dependent keys of the ballot are not relied on: many clients know only plain "
            "tokens.",
            "3.0 Prefetch tokens",
        ),
    ),
    (
        14,
        Requirement(
            "Prefetch templates",
            "SHALL",
            "A client's rule to be ready for: prefetched data equals what the FHIR server would answer, so both ways "
            "give the same cards; keys of other services do no harm.",
            "Prefetch Template",
        ),
    ),
    (
        15,
        Requirement(
            "Request",
            "SHALL",
            "hook, hookInstance and context are required; fhirServer is, when fhirAuthorization is there; a request "
            "that lacks them is refused with the member's name.",
            "Calling a CDS Service, HTTP Request",
        ),
    ),
    (
        16,
        Requirement(
            "Request",
            "SHALL",
            "Data comes by prefetch or from the FHIR server; each FHIR request carries the access token given.",
            "Providing FHIR Resources to a CDS Service; FHIR Resource Access",
        ),
    ),
    (
        17,
        Requirement(
            "Request",
            "SHALL",
            "The service compares prefetch with its own templates and gets the rest itself; absent, null, "
            "OperationOutcome and data (also a first page) are four different states.",
            "Prefetch Template",
        ),
    ),
    (
        18,
        Requirement(
            "Request",
            "SHOULD",
            "OperationOutcomes in prefetch are looked for, as a whole value and as entries of a Bundle.",
            "Prefetch Template",
        ),
    ),
    (
        19,
        Requirement(
            "Request",
            "SHALL",
            "412 when required data was not prefetched and can't be read from the FHIR server.",
            "CDS Service Response, HTTP Status Codes",
        ),
    ),
    (
        20,
        Requirement(
            "Request",
            "SHALL",
            "The access token is used for this call and then forgotten: not stored, not logged, not shared.",
            "FHIR Resource Access; practice",
        ),
    ),
    (
        21,
        Requirement(
            "Request",
            "MAY",
            "Extensions and unknown members are ignored and never a reason to refuse.",
            "Extensions",
        ),
    ),
    (
        22,
        Requirement(
            "Response",
            "SHALL",
            "200 with an array of cards; with nothing to say, an empty one.",
            "CDS Service Response, HTTP Response",
        ),
    ),
    (
        23,
        Requirement(
            "Response",
            "SHOULD",
            "An answer other than 2xx has an OperationOutcome as body.",
            "3.0 CDS Service Response, HTTP Status Codes",
        ),
    ),
    (
        24,
        Requirement(
            "Response",
            "SHALL",
            "A card has a summary of fewer than 140 characters, an indicator of the three, a source and a UUID.",
            "Card Attributes",
        ),
    ),
    (
        25,
        Requirement(
            "Response",
            "SHALL",
            "A source has a label; its address is absolute; its topic a system and a code that never change.",
            "Card Attributes, Source",
            "icon: the source is a publication or an algorithm, which has none.",
        ),
    ),
    (
        26,
        Requirement(
            "Response",
            "SHALL",
            "Suggestions come with selectionBehavior, each with a label and a UUID; actionSelectionBehavior is not "
            "used with clients that may not know it.",
            "Suggestion; 3.0 Suggestion",
        ),
    ),
    (
        27,
        Requirement(
            "Response",
            "SHALL",
            "An action has a type and a description, and a whole resource to create.",
            "Action",
            "update and delete: this service proposes new orders only, and never changes what a clinician wrote.",
        ),
    ),
    (
        28,
        Requirement(
            "Response",
            "SHALL",
            "Override reasons are Codings with code, system and display.",
            "Card Attributes",
        ),
    ),
    (
        29,
        Requirement(
            "Response",
            "SHALL",
            "A link has label, url and type; appContext only with type smart.",
            "Link",
            "autolaunchable: a report opens by a clinician's click alone; all guidance is in the card.",
        ),
    ),
    (
        30,
        Requirement(
            "Response",
            "MAY",
            "systemActions are for what was agreed beforehand and nobody need see.",
            "System Action",
            "Not used: what this service has to say is for a clinician to accept or not. A test proves that none goes "
            "out.",
        ),
    ),
    (
        31,
        Requirement(
            "Response",
            "SHALL",
            "Urgency rises from info over warning to critical; critical interrupts in some EHRs and is not used "
            "lightly.",
            "Card Attributes",
        ),
    ),
    (
        32,
        Requirement(
            "Feedback",
            "SHALL",
            "POST {base}/cds-services/{id}/feedback takes an array of what happened to cards: accepted with the "
            "suggestions, or overridden with a reason or a comment.",
            "Feedback",
        ),
    ),
    (
        33,
        Requirement(
            "Feedback",
            "MAY",
            "Feedback may come again, late, in batches and for several calls at once: each outcome counts once.",
            "Feedback",
        ),
    ),
    (
        34,
        Requirement(
            "Security",
            "SHALL",
            "TLS; a call that can expose data is authenticated.",
            "Security and Safety; Trusting CDS Clients",
            "TLS (and mutual TLS): ends at the ingress or reverse proxy in front of this process.",
        ),
    ),
    (
        35,
        Requirement(
            "Security",
            "SHALL",
            "Each call carries a JWT as Bearer token with alg, kid and typ, and iss, aud, exp, iat and jti.",
            "Trusting CDS Clients",
        ),
    ),
    (
        36,
        Requirement(
            "Security",
            "SHALL",
            "aud is the address called, compared with a configured public address and not with the Host header.",
            "Trusting CDS Clients",
        ),
    ),
    (
        37,
        Requirement(
            "Security",
            "SHALL",
            "Signatures are asymmetric (ES384, RS384); none and symmetric ones are refused; a key is good for its own "
            "algorithm only.",
            "Trusting CDS Clients",
        ),
    ),
    (
        38,
        Requirement(
            "Security",
            "SHOULD",
            "Issuers and key addresses are allow-listed; a token's jku is never fetched for being there.",
            "Trusting CDS Clients",
        ),
    ),
    (
        39,
        Requirement(
            "Security",
            "SHOULD",
            "Issuer, audience, times, tenant, signature and replay are checked; a refusal is 401 without detail; the "
            "JWT is not logged; keys may rotate.",
            "practice",
        ),
    ),
    (
        40,
        Requirement(
            "Security",
            "SHALL",
            "Browser clients need CORS; a preflight is answered without a JWT.",
            "Cross-Origin Resource Sharing",
        ),
    ),
    (41, Requirement("Performance", "SHOULD", "An answer takes about 500 ms.", "Overview; practice")),
    (
        42,
        Requirement(
            "Performance",
            "MAY",
            "No caching rule is given: answers about a patient are not to be stored; discovery can be revalidated.",
            "Security and Safety",
        ),
    ),
    (
        43,
        Requirement(
            "Performance",
            "MAY",
            "The FHIR version is not negotiated, so the service states its own.",
            "Discovery, Response",
        ),
    ),
)

REQUIREMENTS: dict[int, Requirement] = dict(_ROWS)

_Test = TypeVar("_Test", bound=Callable[..., Any])


def requirement(*points: int) -> Callable[[_Test], _Test]:
    """Marks a test as proof of these points. Raises ValueError for a point that is not in the table."""
    if unknown := [p for p in points if p not in REQUIREMENTS]:
        raise ValueError(f"no such point of the checklist: {', '.join(map(str, unknown))}")

    def mark(test: _Test) -> _Test:
        test.__dict__["points"] = points
        return test

    return mark
