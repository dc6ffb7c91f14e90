"""Names of changes in genes, brought to one form, and the small grammar of the one-line results of older systems.

What does not fit the grammar from its first to its last character says nothing: it is unknown, never negative.
Nomenclature: HGVS, https://hgvs-nomenclature.org; star alleles as PharmVar writes them.
"""

from __future__ import annotations

import re
from functools import lru_cache

import msgspec

from cds.record.genomic_codes import COPIES, ORIGINS, PATHOGENIC, PRESENT, Origin

_AMINO_ACIDS = {
    "A": "Ala", "R": "Arg", "N": "Asn", "D": "Asp", "C": "Cys", "Q": "Gln", "E": "Glu", "G": "Gly", "H": "His",
    "I": "Ile", "L": "Leu", "K": "Lys", "M": "Met", "F": "Phe", "P": "Pro", "S": "Ser", "T": "Thr", "W": "Trp",
    "Y": "Tyr", "V": "Val", "*": "Ter", "X": "Ter",
}  # fmt: skip
_GENE = r"[A-Z][A-Z0-9-]{1,14}"
_REFERENCED = re.compile(rf"^[A-Z]{{2}}_?[0-9.]+(?:\(({_GENE})\))?:")
_SHORT_PROTEIN = re.compile(r"^p\.([A-Z*])(\d+)([A-Z*])$")
_DELETED = re.compile(r"(del|dup)[ACGT]+$")
_CHANGE = re.compile(
    r"^(?:c\.[0-9*_+-]+(?:[ACGT]+>[ACGT]+|delins[ACGT]+|del|dup|ins[ACGT]+|inv)"
    r"|p\.[A-Z][a-z]{2}\d+(?:[A-Z][a-z]{2}|fs|del|dup|=)?[A-Za-z0-9*]{0,12}"
    r"|rs\d{1,12}|\*\d{1,3}[A-Z]{0,2})$"
)
_RESIDUE = re.compile(r"^p\.([A-Z][a-z]{2}\d+)[A-Z][a-z]{2}$")
_ALLELE = re.compile(r"^(?P<name>\*\d{1,3}[A-Z]{0,2}|c\.\S+|rs\d+|[Rr]eference|[Ww]ild[ -]type)(?: \(.{1,20}\))?$")
_PAIR = re.compile(rf"^(?:(?P<gene>{_GENE}) )?(?P<first>[^/]{{1,40}})/(?P<second>[^/]{{1,40}})$")
_LONGEST = 200

REFERENCE = "*1"


@lru_cache(maxsize=4096)
def change(text: str) -> str | None:
    """``NM_004985.5(KRAS):c.34G>T`` -> ``c.34G>T``; ``p.G12C``, ``p.(Gly12Cys)`` -> ``p.Gly12Cys``;
    ``c.5946delT`` -> ``c.5946del``. None for what is no name of a change."""
    name = _REFERENCED.sub("", text.strip()[:_LONGEST])
    if name.startswith("p.(") and name.endswith(")"):
        name = "p." + name[3:-1]
    short = _SHORT_PROTEIN.match(name)
    if short:
        before, position, after = short.groups()
        if before not in _AMINO_ACIDS or after not in _AMINO_ACIDS:
            return None
        name = f"p.{_AMINO_ACIDS[before]}{position}{_AMINO_ACIDS[after]}"
    if name.startswith("c."):
        name = _DELETED.sub(r"\1", name)
    return name if _CHANGE.match(name) else None


@lru_cache(maxsize=4096)
def gene_in(text: str) -> str | None:
    """``NM_004985.5(KRAS):c.34G>T`` -> ``KRAS``."""
    found = _REFERENCED.match(text.strip()[:_LONGEST])
    return found[1] if found else None


def residue(name: str) -> str | None:
    """``p.Gly12Cys`` -> ``Gly12``: where two exchanges of one amino acid shut each other out on an allele."""
    found = _RESIDUE.match(name)
    return found[1] if found else None


def shown(text: str) -> str:
    """Fit to stand on a card: a star is emphasis in Markdown, so it is drawn with another sign."""
    return text.replace("*", "∗")


class Line(msgspec.Struct, frozen=True):
    """What a one-line result says."""

    gene: str | None = None
    names: frozenset[str] = frozenset()
    present: bool | None = None
    fusion: bool = False
    origin: Origin | None = None
    pathogenic: bool | None = None
    copies: int | None = None


@lru_cache(maxsize=1024)
def line(text: str) -> Line | None:
    """``KRAS p.G12C``, ``BRCA2 c.5946delT pathogenic, germline``, ``NTRK1 fusion``, ``negative``; None for the rest.

    A gene, changes and properties, each at most once but for the changes, apart by spaces, commas or semicolons.
    """
    words = " ".join(re.split(r"[\s,;]+", text.strip()[:_LONGEST])).strip()
    # without a gene first: NOT DETECTED is no gene called NOT
    plain = _properties(None, words)
    if plain is not None:
        return plain
    head, _, rest = words.partition(" ")
    partners = re.fullmatch(rf"{_GENE}::({_GENE})", head)
    if partners and rest.casefold() == "fusion":
        return Line(gene=partners[1], present=True, fusion=True)
    gene = head.rstrip(":")
    if not re.fullmatch(_GENE, gene) or gene.casefold() in _NO_GENES:
        return None
    return _properties(gene, rest)


def _properties(gene: str | None, words: str) -> Line | None:
    names: set[str] = set()
    said: dict[str, str] = {}
    while words:
        kind, phrase = _next(words)
        if kind is None or kind in said:
            return None
        if kind == "change":
            names.add(change(phrase) or "")
        else:
            said[kind] = phrase.casefold()
        words = words[len(phrase) :].strip()
    present = PRESENT[said["present"]] if "present" in said else (True if names or "fusion" in said else None)
    if present is None:
        return None
    return Line(
        gene,
        frozenset(names),
        present,
        "fusion" in said,
        ORIGINS[said["origin"]] if "origin" in said else None,
        PATHOGENIC[said["pathogenic"]] if "pathogenic" in said else None,
        COPIES[said["copies"]] if "copies" in said else None,
    )


_PHRASES = tuple(
    (kind, phrase)
    for kind, table in (
        ("present", PRESENT),
        ("origin", ORIGINS),
        ("pathogenic", PATHOGENIC),
        ("copies", COPIES),
        ("fusion", {"fusion": True}),
    )
    for phrase in sorted(table, key=len, reverse=True)
    if not phrase[0].isdigit() and not phrase.startswith("LA")
)

_NO_GENES = frozenset(
    {word for _, phrase in _PHRASES for word in phrase.split()}
    | {"no", "not", "non", "none", "without", "unknown", "possible", "suspected", "mutation", "variant"}
)
"""Words that a line in capitals may begin with, and that are no gene."""


def _next(words: str) -> tuple[str | None, str]:
    """The kind of the next phrase, and the phrase as written."""
    for kind, phrase in _PHRASES:
        found = words[: len(phrase)]
        if found.casefold() == phrase and words[len(phrase) : len(phrase) + 1] in ("", " "):
            return kind, found
    word = words.partition(" ")[0]
    return ("change", word) if change(word) is not None else (None, word)


class Pair(msgspec.Struct, frozen=True):
    """A diplotype."""

    gene: str | None
    alleles: tuple[str, str]


@lru_cache(maxsize=1024)
def pair(text: str) -> Pair | None:
    """``UGT1A1 *1/*28``, ``c.1905+1G>A (*2A)/Reference``; None for what is no diplotype."""
    found = _PAIR.match(" ".join(text.split())[:_LONGEST])
    if found is None:
        return None
    first, second = (_allele(found[side].strip()) for side in ("first", "second"))
    if first is None or second is None:
        return None
    return Pair(found["gene"], (first, second))


def _allele(text: str) -> str | None:
    found = _ALLELE.match(text)
    if found is None:
        return None
    name = found["name"]
    return REFERENCE if name[0] in "RrWw" and not name.startswith("rs") else change(name)
