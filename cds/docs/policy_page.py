"""``docs/policy.md``: every key of the policy and what it does, in plain words, and how a change becomes the policy."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel

from cds.docs.reference import GENERATED, table
from cds.policy.blocks import (
    Budget,
    CardLimits,
    Guidelines,
    ModelPolicy,
    Order,
    OverrideReason,
    Repeats,
    ReviewedGuideline,
    ServicePolicy,
)
from cds.policy.layers import AppliesTo, Head
from cds.policy.schema import Policy
from cds.services import ServiceRegistry

_HEAD = """
`policy.yaml` is the clinical lead's file: which models speak, from which threshold, how urgently, and when not. Its
version is a hash of its content; every card and every ledger row names it. A wrong file is refused, with line and
allowed values, and the last good one stays in force. An editor that knows JSON Schema helps while typing:
[policy.schema.json](policy.schema.json).

Durations are a whole number and `d`, `m` or `y`: `90d`, `3m`. What stands for nothing here is refused as well: a hook
that no service answers, an order whose name is that of a proposed one misspelt, a code that no EHR could take.

## Two ways to change it

- **The file** (`policy_file` in the settings): saved, it takes effect in every worker within seconds. Check it first:
  `cds policy check FILE`; one without `approver` is checked as a change, and told to be no `policy_file`. In production
  its author and its approver must be two people. Half a policy is often a valid one, with fewer models: end the file
  with the line `...`, as the packaged one does, and a file without it is refused for as long as the policy in force
  has it.
- **A change in the ledger**, laid over the file: a file that holds only what differs, proposed by one person, approved
  by another, activated, and taken back with one command. Every version is kept with who, when and why.

A change is merged key by key: a block is merged, anything else replaces, and `null` takes a key away (RFC 7396). The
packaged policy, or the file, lies lowest; over it the `site`'s change, then that of a `service/ID`, then that of a
`department/NAME`: what lies higher wins.

| command | what it does |
|---|---|
| `cds policy check FILE` | Would it be accepted, as a whole policy or as a change? Every fault with its line. |
| `cds policy preview FILE` | What would it have done on past calls: workload, newly alerted, missed? |
| `cds policy diff FILE` | What differs from what is in force, key by key, with what each key does. |
| `cds policy propose FILE --by NAME` | Keep it under its version. Nothing changes for anybody. |
| `cds policy approve VERSION --by NAME --why REASON` | By one of the settings' `[approvers]`, who had no hand in it. |
| `cds policy activate VERSION --by NAME --why REASON` | In force in every worker within a minute, or on its day. |
| `… --canary client=NAME` | In force for some first: a client, a `service=ID`, a `user=ID`. |
| `… --shadow` | Computed and recorded on every call, shown to nobody; needs no approval. |
| `cds policy rollback --by NAME --why REASON` | What held before is back. |
| `cds policy history` | Who did what, when and why, and what is in force. |
| `cds policy show [VERSION]` | The text in force, or of any version; `--client`, `--service`, `--user`: for these. |

[tune-the-policy.md](tune-the-policy.md) goes through them, from an idea to a change and back.

Who can run these commands is trusted to say who they are: names are taken as given, and the account used is kept beside
them. While the ledger is down, what was in force stays; the copy beside the spool tells a worker that starts meanwhile.
"""


def policy_page(services: ServiceRegistry, limits: Mapping[str, Mapping[str, tuple[float, str]]]) -> str:
    """``limits``: by model and name (as packaged, what moving it does)."""
    parts = ["# Policy", GENERATED, *_HEAD.splitlines(), "", "## Top level", "", *table(Policy, skip=("version",))]
    blocks: list[tuple[str, type[BaseModel]]] = [
        ("`cards`", CardLimits),
        ("`repeats`", Repeats),
        ("`budget`", Budget),
        ("`models.ID`", ModelPolicy),
        ("`services.ID`", ServicePolicy),
        ("`guidelines`", Guidelines),
        ("`guidelines.reviewed.ID`", ReviewedGuideline),
        ("`orders.NAME`", Order),
        ("`override_reasons.CODE`", OverrideReason),
    ]
    for title, model in blocks:
        parts += ["", f"## {title}", "", *table(model)]
    for service_id, parameters in sorted(services.parameters().items()):
        if parameters.model_fields:
            parts += ["", f"## `services.{service_id}.parameters`", "", *table(parameters)]
    for model_id, named in sorted(limits.items()):
        parts += [
            "",
            f"## `models.{model_id}.thresholds`",
            "",
            "| key | packaged | what moving it does |",
            "|---|---|---|",
        ]
        parts += [f"| `{name}` | `{value:g}` | {does} |" for name, (value, does) in named.items()]
    parts += ["", "## A change: what it says of itself", "", "Beside any of the keys above:", "", *table(Head)]
    parts += ["", "## `applies_to`, of a department's change", "", *table(AppliesTo)]
    return "\n".join([*parts, ""])
