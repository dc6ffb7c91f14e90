"""How a manifest's figures read in an English document."""

from __future__ import annotations

from cds.inference.horizon import in_english, unsaid
from cds.inference.manifest import Evidence, Input, Manifest, Output, Reduce
from cds.record.concepts import Text

STAGES = {
    "derivation": "Derivation",
    "internal-validation": "Internal validation",
    "external-validation": "External validation",
}
STATUSES = {
    "established": "Established: published and in use elsewhere.",
    "local-fit": "Fitted by this product on open data; not a published score.",
    "research": "Research: not established for care. Runs only where the policy names it, and says so on its card.",
    "demonstration": "Demonstration: not for clinical use. Runs only where the policy names it.",
    "unverified": "Unverified: its numbers have not been checked against their publication. Runs only where the policy "
    "names it.",
}


def pick(texts: Text | str) -> str:
    return texts if isinstance(texts, str) else texts.get("en", "")


def figure(item: Evidence) -> str:
    """``AUROC 0.87 (0.85 to 0.89)``; the metric alone where no value was published."""
    metric = pick(item.metric)
    if item.value is None:
        return metric
    interval = f" ({item.interval[0]:g} to {item.interval[1]:g})" if item.interval else ""
    return f"{metric} {item.value:g}{interval}"


def size(item: Evidence) -> str:
    parts = [f"n = {item.n:,}" if item.n else "", f"{item.events:,} events" if item.events else ""]
    return ", ".join(p for p in parts if p)


def headline(m: Manifest) -> Evidence | None:
    """The study that says most of how far the model can be trusted: elsewhere before at home, with a value first."""
    order = ["external-validation", "internal-validation", "derivation"]
    return min(
        m.evidence,
        key=lambda e: (e.value is None, order.index(e.stage), e.interval is None),
        default=None,
    )


def reading(spec: Input) -> str:
    """Where an input comes from and how it becomes a number."""
    if spec.source == "constant":
        return f"constant {spec.constant:g}"
    if spec.source.startswith("patient."):
        return spec.source.replace(".", " ")
    if spec.source == "inputs":
        return " x ".join(name if power == 1 else f"{name}^{power:g}" for name, power in spec.powers.items())
    how = (spec.reduce or Reduce.latest).value.replace("_", " ")
    within = f" within {spec.within}" if spec.within else ""
    anchored = f", around {spec.anchor.input} {spec.anchor.offset}" if spec.anchor else ""
    drafts = "orders in the making: " if spec.source == "drafts" else ""
    known = [
        " or ".join(k.concepts) + (f" at {k.at_least:g} or more" if k.at_least is not None else "") for k in spec.unless
    ]
    unless = f"; void when longer on record: {', '.join(known)}" if known else ""
    text = ", also where only an order's text names it" if spec.named_in_text else ""
    return f"{drafts}{how} of {' or '.join(spec.concepts)}{within}{anchored}{unless}{text}"


def needed(spec: Input) -> bool:
    """Without it the model abstains. A fact that nobody coded is taken as absent; a sex not recorded is neither."""
    if spec.absent.does != "abstain" or spec.source == "constant":
        return False
    return not spec.is_flag or spec.source == "patient.male" or spec.unrecorded != "no"


def absence(spec: Input) -> str:
    if spec.source == "constant":
        return "always there"
    if spec.source == "inputs":
        return "as the inputs it is worked out from"
    if spec.absent.does == "assume":
        varied = f", varied over {', '.join(f'{v:g}' for v in spec.absent.vary)}" if spec.absent.vary else ""
        why = f" ({pick(spec.absent.why)})" if spec.absent.why else ""
        return f"assumes {spec.absent.value:g}{varied}{why}"
    if not needed(spec):
        return "counts as no"
    return "is unknown: the model abstains" if spec.is_flag else "the model abstains"


def limits(spec: Input) -> str:
    return f"{spec.range[0]:g} to {spec.range[1]:g}" if spec.range else ""


def result(output: Output) -> str:
    parts: list[str] = [output.kind]
    if output.unit != "1":
        parts.append(f"in {output.unit}")
    if output.horizon and (length := unsaid(pick(output.label), output.horizon, in_english)):
        parts.append(f"within {length}")
    if output.times:
        parts.append(f"at {output.times[0]:g} to {output.times[-1]:g} months")
    if output.interval:
        parts.append(f"with a {output.interval:.0%} interval")
    if output.categories:
        labels = [pick(output.category_labels.get(name, {})) or name for name in output.categories.values()]
        parts.append("one of " + "; ".join(labels))
    return ", ".join(parts)
