"""What is read from an element's bytes is what pydicom makes of them, whatever they are."""

from __future__ import annotations

import contextlib
from io import BytesIO
from struct import pack
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset

from cds.imaging.elements import numbers, texts
from cds.imaging.instance import read as _sets_how_pydicom_validates  # noqa: F401
from cds.imaging.reasons import Unusable

_TEXTS = {"ImageType": b"CS", "SeriesDescription": b"LO", "ConvolutionKernel": b"SH", "ContentTime": b"TM"}
_TEXTS |= {"AcquisitionDate": b"DA", "AcquisitionDateTime": b"DT", "StudyInstanceUID": b"UI", "RescaleType": b"LO"}
_NUMBERS = {"ImagePositionPatient": b"DS", "PixelSpacing": b"DS", "RescaleSlope": b"DS", "Rows": b"US"}
_OTHER = [b"UN", b"LT", b"IS", b"PN", b"OW"]
_BYTES = st.one_of(
    st.binary(max_size=24),
    st.lists(st.sampled_from(["1", "-0.5", "1e3", "nan", "inf", "1e999", "1_0", "", " ", "\0", "x", "é", "\x1b$B"]))
    .map("\\".join)
    .map(str.encode),
    st.sampled_from([b"", b" ", b"\0", b"\\", b"a \\ b\0 ", b"1\\2\\ 3 ", b"\t1 ", b"1 \0"]),
)


def _read(keyword: str, vr: bytes | None, value: bytes, *, little: bool, charset: bytes = b"") -> Dataset:
    """The data set with that element as a file has it; without ``vr``, as one that leaves it out."""
    order = "<" if little else ">"
    raw = b""
    for name, kind, stored in (("SpecificCharacterSet", b"CS", charset), (keyword, vr, value)):
        tag = tag_for_keyword(name)
        assert tag is not None
        raw += pack(order + "HH", tag >> 16, tag & 0xFFFF)
        if vr is None:
            raw += pack(order + "L", len(stored))
        elif kind in (b"UN", b"OW"):
            raw += bytes(kind or b"") + b"\0\0" + pack(order + "L", len(stored))
        else:
            raw += bytes(kind or b"") + pack(order + "H", len(stored))
        raw += stored
    return read_dataset(BytesIO(raw), vr is None, little)


def _outcome(ask: Any, dataset: Dataset, keyword: str) -> Any:
    try:
        return ask(dataset, keyword)
    except Unusable as error:
        return error.reason
    except Exception as error:
        return type(error)


def _converted(dataset: Dataset, keyword: str) -> Dataset:
    with contextlib.suppress(Exception):  # then it is not converted when it is asked for, either
        dataset.get(keyword)
    return dataset


@given(
    keyword=st.sampled_from(sorted(_TEXTS | _NUMBERS)),
    stored=_BYTES,
    told=st.sampled_from(["usual", "none", "other"]),
    other=st.sampled_from(_OTHER),
    little=st.booleans(),
    charset=st.sampled_from([b"", b"ISO_IR 100", b"ISO 2022 IR 87", b"ISO_IR 192"]),
)
@example("SeriesDescription", b"\x1b$B;3ED\x1b(B", "usual", b"UN", True, b"ISO 2022 IR 87")
@example("SeriesDescription", b"a\0\\b", "usual", b"UN", True, b"")
@example("RescaleSlope", b"\t", "usual", b"UN", True, b"")
@example("Rows", b"\x02\x00", "usual", b"UN", False, b"")
@example("Rows", b"\x02\x00\x03\x00", "none", b"UN", True, b"")
@example("PixelSpacing", b"0.5\\", "usual", b"UN", True, b"")
def test_the_short_way_says_what_pydicom_says(
    keyword: str, stored: bytes, told: str, other: bytes, little: bool, charset: bytes
) -> None:
    vr = {"usual": (_TEXTS | _NUMBERS)[keyword], "none": None, "other": other}[told]
    ask = texts if keyword in _TEXTS else numbers
    raw = _read(keyword, vr, stored, little=little, charset=charset)
    slow = _converted(_read(keyword, vr, stored, little=little, charset=charset), keyword)
    expected = _outcome(ask, slow, keyword)
    found = _outcome(ask, raw, keyword)
    nothing: tuple[Any, ...] = ((), ("",))  # one blank value and none are told apart by nobody
    assert found == expected or (found in nothing and expected in nothing)


@pytest.mark.parametrize("keyword", sorted(_TEXTS | _NUMBERS))
def test_an_element_that_is_not_there_has_no_value(keyword: str) -> None:
    assert texts(Dataset(), keyword) == () == numbers(Dataset(), keyword)


def test_what_is_plain_is_not_converted() -> None:
    """Conversion replaces the raw element; were it done, the quick way would not be one."""
    dataset = _read("PixelSpacing", b"DS", b"0.75\\0.8 ", little=True)
    assert numbers(dataset, "PixelSpacing") == (0.75, 0.8)
    assert type(dataset.get_item("PixelSpacing")).__name__ == "RawDataElement"
