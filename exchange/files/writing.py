"""What is in a file: CSV that no program takes for formulas, or Parquet.

1. Every file stands alone: it begins with the items' codes, or with the schema of them.
2. CSV is RFC 4180 in UTF-8 without a byte-order mark. A value that begins with = + - @ (or their
   full-width forms), a tab or a carriage return would be a formula to a spreadsheet, so a ' is put
   in front, and likewise before a '. A plain number is no formula. `plain` takes it off again, so
   that nothing is lost.
3. Parquet holds every value as it is: each item a column of texts, null where a record has none.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from exchange.files.model import FileFormat

_RISKY = frozenset("=+-@\t\r'＝＋－＠")
#: Where a line of values that stand one a line begins with what is risky.
_RISKY_LINE = re.compile("^[" + re.escape("".join(sorted(_RISKY))) + "]", re.MULTILINE)
_NUMBER = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?")

Records = Sequence[Mapping[str, str]]


def safe(value: str) -> str:
    """A value as it stands in CSV."""
    if value and value[0] in _RISKY and not _NUMBER.fullmatch(value):
        return "'" + value
    return value


def plain(cell: str) -> str:
    """The value of a cell that `safe` made."""
    return cell[1:] if cell.startswith("'") else cell


def as_csv(items: Sequence[str], records: Records) -> bytes:
    """CSV of records, the items as columns."""
    columns = [[record.get(item, "") for record in records] for item in items]
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(items)
    # What needs neither quotes nor a ' is told of a column at once, at several times the speed.
    if records and len(items) > 1 and all(map(_stands_as_it_is, columns)):
        text.writelines(f"{line}\r\n" for line in map(",".join, zip(*columns, strict=True)))
    else:
        writer.writerows(map(safe, row) for row in zip(*columns, strict=True))
    return text.getvalue().encode()


def _stands_as_it_is(column: Sequence[str]) -> bool:
    lines = "\n".join(column)
    return not (
        "," in lines
        or '"' in lines
        or "\r" in lines
        or lines.count("\n") != len(column) - 1
        or _RISKY_LINE.search(lines)
    )


def as_parquet(items: Sequence[str], records: Records) -> bytes:
    """Parquet of records, the items as columns."""
    import pyarrow as pa  # only where it is asked for
    import pyarrow.parquet as pq

    columns: dict[str, Any] = {
        item: pa.array([record.get(item) for record in records], pa.string()) for item in items
    }
    out = io.BytesIO()
    pq.write_table(pa.table(columns), out, compression="zstd")
    return out.getvalue()


WRITERS: Mapping[FileFormat, Callable[[Sequence[str], Records], bytes]] = {
    FileFormat.CSV: as_csv,
    FileFormat.PARQUET: as_parquet,
}
