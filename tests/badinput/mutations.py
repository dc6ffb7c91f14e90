"""One good input made a bad one: most of it kept, so that what is read behind the first check is reached, too."""

from __future__ import annotations

import io
import json
from random import Random
from typing import Any

import pydicom
import yaml
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

_WORDS: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    2**31,
    2**63,
    10**400,
    0.5,
    -1e308,
    1e-320,
    "",
    " ",
    "\u0000",
    "\ud800",
    "\u202eé",
    "x" * 3000,
    "9" * 400,
    "2026-02-30",
    "0000-00-00",
    "9999-12-31T23:59:60.999999999+14:00",
    "Patient/x",
    "Patient/../1",
    "http://[",
    "http://127.0.0.1:9/fhir/Patient?x=1",
    "<script>alert(1)</script>",
    "\r\n[error] call forged",
    "' OR 1=1 --",
    "{{7*7}}",
    "Bundle",
    "OperationOutcome",
    [],
    {},
    [[[[]]]],
    {"resourceType": "Bundle"},
)
_PIECES = (
    b"\x00",
    b"\xff\xff\xff\xff",
    b"\r\n--b0",
    b"--",
    b"\r\n\r\n",
    b"[" * 300,
    b"{" * 300,
    b"&a [*a, *a]",
    b"!!python/object/apply:os.system [x]",
    b"1e999",
    b"2147483647",
    b"%00",
    b"..",
    b"@",
    b"\xe2\x80\xae",
)


def mutate(raw: bytes, shape: str, random: Random) -> bytes:
    """``shape``: json, yaml, dicom or bytes. What is no longer of its shape is changed as bytes, and one in five of the
    others as well."""
    if shape == "bytes" or random.random() < 0.2:
        return edited(raw, random)
    try:
        if shape == "json":
            return _dumped(_changed(json.loads(raw), random))
        if shape == "yaml":
            written = yaml.dump(_changed(yaml.safe_load(raw), random), allow_unicode=True, sort_keys=False)
            return written.encode("utf-8", "surrogatepass")
        return _dicom(raw, random)
    except Exception:  # whatever a parser says to bytes that were changed before
        return edited(raw, random)


def edited(raw: bytes, random: Random) -> bytes:
    """One to four edits: a bit, a cut, a piece doubled, moved, or something put in."""
    found = bytearray(raw)
    for _ in range(random.randint(1, 4)):
        at = random.randint(0, len(found))
        upto = min(len(found), at + random.choice((1, 2, 4, 16, 200)))
        kind = random.randrange(6)
        if kind == 0 and at < len(found):
            found[at] ^= 1 << random.randrange(8)
        elif kind == 1:
            del found[at:upto]
        elif kind == 2:
            found[at:at] = found[at:upto]
        elif kind == 3:
            found[at:at] = random.choice(_PIECES)
        elif kind == 4:
            found[at:upto] = bytes(random.randrange(256) for _ in range(upto - at))
        elif kind == 5 and random.random() < 0.3:
            del found[at:]
    return bytes(found)


def _dumped(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=random_ascii(value)).encode("utf-8", "surrogatepass")


def random_ascii(value: Any) -> bool:
    """Escapes for some, plain UTF-8 for others; the same for the same input."""
    return len(repr(value)) % 2 == 0


def _changed(root: Any, random: Random) -> Any:
    """One to three places changed, removed, doubled, wrapped or exchanged. ``root`` is changed in place."""
    holder = [root]
    for _ in range(random.randint(1, 3)):
        place, key = _somewhere(holder, random)
        kind = random.randrange(6)
        if kind <= 1:
            place[key] = random.choice(_WORDS)
        elif kind == 2 and place is not holder:
            del place[key]
        elif kind == 3:
            place[key] = [place[key]]
        elif kind == 4 and isinstance(place, list):
            place.append(place[key])
        elif kind == 5:
            other = random.choice(list(place) if isinstance(place, dict) else range(len(place)))
            place[key], place[other] = place[other], place[key]
    return holder[0]


def _somewhere(holder: Any, random: Random) -> tuple[Any, Any]:
    """(a mapping or list, one of its keys): down from the top, stopping one time in four."""
    place, key = holder, 0
    while True:
        inner = place[key]
        if not isinstance(inner, dict | list) or not inner or random.random() < 0.25:
            return place, key
        place, key = inner, random.choice(list(inner) if isinstance(inner, dict) else range(len(inner)))


def _dicom(raw: bytes, random: Random) -> bytes:
    """One or two elements with another value, gone, or in a sequence they don't belong in."""
    dataset = pydicom.dcmread(io.BytesIO(raw), force=True)
    for _ in range(random.randint(1, 2)):
        element = random.choice(list(dataset))
        kind = random.randrange(4)
        if kind == 0:
            del dataset[element.tag]
        elif kind == 1:
            inner = Dataset()
            inner[element.tag] = element
            dataset.PerFrameFunctionalGroupsSequence = Sequence([inner] * random.choice((1, 3)))
            dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.2.1"
        elif element.VR == "SQ":
            element.value = Sequence([Dataset()])
        elif isinstance(element.value, bytes):
            element.value = edited(element.value, random)
        else:
            element._value = random.choice(_odd_values(element.VR))  # as read from a file: nothing checks it
    out = io.BytesIO()
    pydicom.dcmwrite(out, dataset, enforce_file_format=False)
    return out.getvalue()


def _odd_values(representation: str) -> tuple[Any, ...]:
    if representation in ("US", "SS", "UL", "SL"):
        return (0, 1, 12, 16, 255, 32767, [1, 2])
    if representation in ("FD", "FL"):
        return (0.0, -1.0, float("nan"), float("inf"), 1e300)
    return ("", "0", "-1", "nan", "inf", "1e400", "2147483647", ["1", "2", "3"], "<script>x</script>", "9" * 70, "\\")
