"""What is in exported files: nothing that a spreadsheet takes for a formula, and nothing lost."""

import csv
import io

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.files.writing import as_csv, as_parquet, plain, safe

#: Whatever the catalog lets into a record: no control characters but tab and line ends.
VALUES = st.text(st.characters(exclude_categories=["Cs", "Cc"], include_characters="\t\r\n"))
RECORDS = st.lists(st.dictionaries(st.sampled_from("ab"), VALUES.filter(bool)), max_size=5)


@pytest.mark.parametrize(
    "value", ["=1+1", "+cmd", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "＝1", "－a", "＠a", "+1-1", "-"]
)
def test_no_value_is_a_formula(value):
    assert safe(value) == "'" + value


@pytest.mark.parametrize("value", ["", "某甲", "-5", "+3.5", "0012", "a=b", "2026-01-01"])
def test_what_is_none_stays_as_it_is(value):
    assert safe(value) == value


@given(RECORDS)
def test_csv_gives_every_value_back(records):
    text = as_csv(["a", "b"], records).decode()
    header, *rows = csv.reader(io.StringIO(text, newline=""))
    assert header == ["a", "b"]
    assert [{k: plain(v) for k, v in zip(header, row, strict=True) if v} for row in rows] == records


@given(RECORDS)
def test_parquet_gives_every_value_back(records):
    table = pq.read_table(io.BytesIO(as_parquet(["a", "b"], records)))
    found = [{k: v for k, v in row.items() if v is not None} for row in table.to_pylist()]
    assert found == records


@given(VALUES)
def test_no_cell_begins_a_formula(value):
    cell = safe(value)
    assert plain(cell) == value
    assert cell[:1] not in set("=@\t\r＝＋－＠")


def _written_by_rows(items, records) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(items)
    writer.writerows([safe(record.get(item, "")) for item in items] for record in records)
    return text.getvalue().encode()


@given(
    items=st.sampled_from(["a", "ab", "abc"]),
    records=st.lists(
        st.dictionaries(
            st.sampled_from("abc"), st.text(st.sampled_from("某1a-='＝,\"\r\n\t "), max_size=3)
        ),
        max_size=4,
    ),
)
def test_csv_by_columns_is_what_csv_by_rows_is(items, records):
    assert as_csv(list(items), records) == _written_by_rows(list(items), records)
