"""Views on paper: title, paragraphs, tables and plots as PDF, by fpdf2. A4, text that can be searched and copied."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cds.errors import NothingThere

if TYPE_CHECKING:
    from fpdf import FPDF

_MARGIN_MM, _WIDTH_MM = 16.0, 178.0
_FAMILY = "DejaVu"


class Paper:
    """Raises NothingThere where fpdf2 is not installed."""

    def __init__(self, title: str, language: str, made: datetime, page: str) -> None:
        """``page``: what stands below each, with ``{n}`` for its number."""
        self._pdf = _sheet(page)
        self._pdf.set_title(title)
        self._pdf.set_lang(language)
        self._pdf.set_creation_date(made)
        self._pdf.add_page()
        self.heading(title, 16)

    def heading(self, text: str, size: int = 12) -> None:
        pdf = self._pdf
        if pdf.will_page_break(24):
            pdf.add_page()
        pdf.ln(2)
        pdf.set_font(_FAMILY, "B", size)
        pdf.multi_cell(0, size * 0.5, text, align="L", new_x="LMARGIN", new_y="NEXT")
        pdf.ln(1)

    def text(self, *paragraphs: str) -> None:
        self._pdf.set_font(_FAMILY, "", 9.5)
        for paragraph in paragraphs:
            self._pdf.multi_cell(0, 5, paragraph, align="L", new_x="LMARGIN", new_y="NEXT")
            self._pdf.ln(0.5)

    def table(self, head: Sequence[str], rows: Sequence[Sequence[str]], widths: Sequence[int]) -> None:
        """``widths``: relative to each other. The head stands on every page again."""
        self._pdf.set_font(_FAMILY, "", 8)
        with self._pdf.table(
            col_widths=tuple(widths), line_height=4.2, padding=0.8, text_align="LEFT", borders_layout="HORIZONTAL_LINES"
        ) as table:
            table.row(tuple(head))
            for row in rows:
                table.row(tuple(row))
        self._pdf.ln(2)

    def picture(self, title: str, png: bytes, share: float = 1.0) -> None:
        """``share``: of the width."""
        from PIL import Image

        width, height = Image.open(io.BytesIO(png)).size
        wide = _WIDTH_MM * share
        if self._pdf.will_page_break(wide * height / width + 12):
            self._pdf.add_page()
        self.heading(title, 10)
        self._pdf.image(io.BytesIO(png), w=wide, alt_text=title)

    def content(self) -> bytes:
        return bytes(self._pdf.output())


def _sheet(page: str) -> FPDF:
    try:
        from fpdf import FPDF
        from matplotlib import get_data_path
    except ImportError as error:
        raise NothingThere("PDF needs the extra 'committee' (fpdf2, matplotlib)") from error

    class Sheet(FPDF):
        def footer(self) -> None:
            self.set_y(-12)
            self.set_font(_FAMILY, "", 8)
            self.cell(0, 5, page.format(n=self.page_no()), align="R")

    pdf: Any = Sheet(format="A4")
    fonts = Path(get_data_path()) / "fonts" / "ttf"
    pdf.add_font(_FAMILY, "", fonts / "DejaVuSans.ttf")
    pdf.add_font(_FAMILY, "B", fonts / "DejaVuSans-Bold.ttf")
    pdf.set_margins(_MARGIN_MM, 14, _MARGIN_MM)
    pdf.set_auto_page_break(True, 16)
    return pdf  # type: ignore[no-any-return]
