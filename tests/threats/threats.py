"""What could be done to this service, and to patients through it; tests name the threat they prove stopped.

``@pytest.mark.threat("forged-token")`` stands on such a test, in whatever room it is. docs/threats.md is written from
this table and the marks by scripts/threat-table. Who attacks: a stranger who reaches the port; a caller who is
registered, or has its key; a server we call (FHIR, PACS, key set), or whoever stands between; a patient or clinician
who writes text into the record; a file put where a hospital puts models, policies or certificates.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Threat:
    topic: str
    attack: str
    """What is tried, and by whom."""
    stopped: str
    """By what; a sentence."""
    remains: str = ""
    """What this does not stop, and whose it is to stop."""


THREATS: dict[str, Threat] = {
    # who calls
    "forged-token": Threat(
        "Who calls",
        "A stranger calls without a token, with one nobody signed, signed by another key, or changed after signing.",
        "Only a signature by a key registered for the issuer opens; a demonstration asks loopback for none.",
        "Whoever holds a client's private key is that client.",
    ),
    "algorithm-confusion": Threat(
        "Who calls",
        "`alg: none`; an HMAC made with the public key; another algorithm, curve or a weak key.",
        "The registered key decides the algorithm; keys that are short, private or not plainly right are left out.",
    ),
    "foreign-key": Threat(
        "Who calls",
        "The token brings its own key (`jwk`, `x5c`) or says where to fetch one (`jku`, `x5u`).",
        "Keys come from the settings alone.",
    ),
    "replayed-token": Threat(
        "Who calls",
        "A token overheard is sent again, to another worker, another host, during an outage or after a clock jump.",
        "Each `jti` is good once, in a book all workers and hosts share; without a book no call is answered.",
    ),
    "wrong-audience": Threat(
        "Who calls",
        "A token made for another service, tenant or purpose, or out of its time, is sent here.",
        "`aud` is the address called, whatever the Host header says; issuer, tenant, type and times are checked.",
    ),
    "other-client": Threat(
        "Who calls",
        "A registered client asks for, or answers, what is another client's.",
        "Calls, cards, feedback and reports are looked up under the caller's own name only.",
    ),
    "loopback-proxy": Threat(
        "Who calls",
        "A reverse proxy on the same machine makes a stranger look local.",
        "A call that a proxy passed on is not from this machine; loopback clients exist in demonstrations alone.",
    ),
    "browser-origin": Threat(
        "Who calls",
        "A web page the clinician visits calls the service with the clinician's network place.",
        "No origin is allowed unless listed; no cookie authenticates a call.",
    ),
    # whom we call
    "ssrf-fhir-server": Threat(
        "Whom we call",
        "`fhirServer` names an inner address, however written (user info, dot segments, numbers, look-alike letters).",
        "An address is called only under a base address of the client's settings, as every parser reads it.",
    ),
    "ssrf-jku": Threat(
        "Whom we call",
        "`jku` in a token, or a redirect of the key set's address, leads elsewhere.",
        "The one configured address is fetched, over TLS, without following redirects.",
    ),
    "ssrf-next-link": Threat(
        "Whom we call",
        "A page's `next` link, sent by the EHR or the FHIR server, leads elsewhere, or to itself for ever.",
        "Each link is judged as `fhirServer` is; pages are limited; the token stays with its server.",
    ),
    "ssrf-redirect": Threat(
        "Whom we call",
        "A FHIR server, PACS, key set or authorization server redirects to an inner address.",
        "No redirect is followed by any client of ours.",
    ),
    "dns-rebinding": Threat(
        "Whom we call",
        "A listed name is made to lead to another machine, between check and call or later.",
        "The name is what is listed: in production it is called over TLS, and a server without a certificate for that "
        "name is given nothing. Numbers that resolvers read in their own way are refused.",
        "`allow_plain_http` gives this up for a client, and `cds site check` says so.",
    ),
    "token-theft": Threat(
        "Whom we call",
        "The EHR's access token is sent to another server, put into a header that it breaks, logged or kept.",
        "It goes to the server it was issued for, in memory, for one call.",
    ),
    "proxy-environment": Threat(
        "Whom we call",
        "A proxy or a password file in the environment sees queries, or adds credentials.",
        "The FHIR client takes nothing from the environment.",
    ),
    # what is shown
    "xss-names": Threat(
        "What is shown",
        "Names, units, ids and texts of the chart hold markup or scripts.",
        "Texts of the chart are escaped on cards (Markdown) and pages (HTML, SVG).",
    ),
    "xss-card-text": Threat(
        "What is shown",
        "Card text of a model, a site or another CDS service holds markup, scripts or dangerous links.",
        "Markdown is rendered without HTML and with plain links only; pages allow no script but their own.",
    ),
    "report-session": Threat(
        "What is shown",
        "A launch is forged, replayed or finished in another browser; a report's cookie or link is stolen or altered.",
        "State, nonce, PKCE and a sealed cookie bind a launch to its browser; a report's link is sealed and expires.",
        "A stolen unlocked workstation: reports close by themselves, the EHR's session is the EHR's.",
    ),
    "cross-site-form": Threat(
        "What is shown",
        "Another site's page posts a form to an open report, or frames it.",
        "Forms are taken from our own origin; framing is for the EHR's own origins alone.",
    ),
    # what is read
    "path-traversal": Threat(
        "What is read",
        "`..`, links and absolute paths in addresses, manifests, UIDs and languages lead out of a folder.",
        "UIDs, ids and languages are matched whole; a file outside its model's folder is refused; assets are a fixed "
        "folder.",
    ),
    "xml-bomb": Threat(
        "What is read",
        "XML with entities that expand or that fetch files.",
        "No XML is read from outside: FHIR and DICOM come as JSON and binary; a body of XML is refused.",
    ),
    "zip-bomb": Threat(
        "What is read",
        "Compressed answers, bodies, DICOM or YAML that expand a thousandfold.",
        "Size is limited as it is unpacked; compressed bodies of calls and key sets are not unpacked; aliases are "
        "counted before they are followed.",
    ),
    "dicom-script": Threat(
        "What is read",
        "A DICOM file holds scripts or markup in private tags, names or descriptions; or lies about its size.",
        "Only named elements are read; private ones never; what is written back and shown is made anew. Sizes are "
        "checked against the bytes there are.",
        "A damaged JPEG-LS frame can keep its decoder (CharLS) busy for some ten seconds before it is refused, and its "
        "series with it.",
    ),
    "bad-input": Threat(
        "What is read",
        "Anything at all, by the million.",
        "It is read or refused with a sentence; see [bad input by the million](fuzzing.md).",
    ),
    "deserialisation": Threat(
        "What is read",
        "A model, checkpoint, job or setting that runs code when it is loaded.",
        "Nothing is unpickled or evaluated; YAML is read safely; graphs are ONNX, pinned by SHA-256.",
        "A site's own `hooks` are Python and run as such: whoever may write there may do anything.",
    ),
    "tampered-model": Threat(
        "What is read",
        "A model's graph is exchanged or damaged.",
        "Its SHA-256 stands in the manifest; a graph that differs is not loaded, and its cards say so.",
    ),
    # how much
    "oversized": Threat(
        "How much",
        "Bodies, headers, tokens, pages, key sets, series, images or ids larger than anything meant.",
        "Each has a limit that is checked while it arrives.",
    ),
    "slow": Threat(
        "How much",
        "A caller sends half a request, or a server answers a byte a second.",
        "Every wait has a deadline; half a request holds no thread, and a connection without a byte makes room.",
    ),
    "flood": Threat(
        "How much",
        "A stranger fills the ledger, makes key sets be fetched at every call, or calls without end.",
        "Refusals of strangers are not recorded; fetches are shared and limited per client; calls beyond what can be "
        "answered in time are refused before anything is done for them.",
        "Bandwidth and connections: the ingress in front.",
    ),
    # what is kept and told
    "log-injection": Threat(
        "What is kept and told",
        "Line breaks or control characters in headers, ids, names or tokens forge log lines.",
        "A log line holds names from our own lists, hashes and escaped text; every event is one line.",
    ),
    "phi-in-traces": Threat(
        "What is kept and told",
        "Names, numbers, ids or tokens of patients stand in logs, metrics, addresses, traces or files.",
        "None of them is written there; the ledger keeps a keyed hash.",
    ),
    "error-leak": Threat(
        "What is kept and told",
        "An error tells a stranger why it failed, or repeats the patient's data.",
        "A stranger's refusal is the same whatever was wrong; errors name members, never values.",
    ),
    "timing": Threat(
        "What is kept and told",
        "How long a comparison takes tells how much of a secret was right.",
        "Secrets and hashes of secrets are compared in constant time, every candidate each time.",
    ),
    "ledger-injection": Threat(
        "What is kept and told",
        "SQL, NUL, or another's ids in what a caller sends change, hide or claim rows of the ledger.",
        "Statements are parameterised; a row is its caller's; what was kept first stays.",
        "Whoever may write to the database itself may change it: rights of the database are the hospital's.",
    ),
    "supply-chain": Threat(
        "What is kept and told",
        "A dependency or a build is exchanged for another.",
        "Versions are locked with hashes (requirements.lock; requirements-build.lock for what builds), and tests run "
        "on what is locked; two builds of the wheel are the same bytes; `make audit` looks for known vulnerabilities "
        "and writes a bill of materials.",
        "What is malicious in a version before it is locked; the CUDA wheels of Dockerfile.cuda are not locked.",
    ),
}
