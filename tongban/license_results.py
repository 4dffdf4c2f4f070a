"""Tables that go back to an office: CSV and XLSX of which a spreadsheet changes nothing.

1. In a workbook every cell is text: of long numbers no digit is rounded, and noughts in front stay.
2. A cell of CSV that a spreadsheet would take for a formula (`=`, `+`, `-`, `@`) has an apostrophe
   in front, which is taken away where the file is read again (`plain_cell`).
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
#: What XML has no way to write.
_UNWRITTEN: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def table(
    suffix: str, headings: Sequence[str], rows: Iterable[Mapping[str, str]], *, title: str
) -> bytes:
    """The file: a workbook for ".xlsx", else CSV in UTF-8. What a row has besides is left out."""
    if suffix.lower() == ".xlsx":
        return _workbook(headings, rows, title)
    written = io.StringIO(newline="")
    lines = csv.writer(written)
    lines.writerow([guarded(one) for one in headings])
    for row in rows:
        lines.writerow([guarded(row.get(one, "")) for one in headings])
    return written.getvalue().encode("utf-8-sig")


def guarded(cell: str) -> str:
    """A cell of CSV that no spreadsheet takes for a formula (rule 2)."""
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def plain_cell(cell: str) -> str:
    """A cell as it was before it was guarded."""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(_FORMULA) else cell


def _workbook(headings: Sequence[str], rows: Iterable[Mapping[str, str]], title: str) -> bytes:
    from openpyxl import Workbook  # 100 ms that only a spreadsheet costs
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.styles import Font

    book = Workbook(write_only=True)
    sheet = book.create_sheet(re.sub(r"[\[\]:*?/\\]", " ", title)[:31] or "1")
    sheet.freeze_panes = "A2"

    def cells(texts: Iterable[str], *, bold: bool = False) -> list[Any]:
        found = []
        for text in texts:
            cell = WriteOnlyCell(sheet, value=_UNWRITTEN.sub("", text))
            cell.data_type = "s"  # or a text with = in front would be a formula
            cell.number_format = "@"
            if bold:
                cell.font = Font(bold=True)
            found.append(cell)
        return found

    sheet.append(cells(headings, bold=True))
    for row in rows:
        sheet.append(cells(row.get(one, "") for one in headings))
    written = io.BytesIO()
    book.save(written)
    return written.getvalue()
