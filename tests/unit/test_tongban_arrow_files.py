"""Arrow files as parts of a batch."""

import pyarrow as pa
import pytest
from pyarrow import ipc

from exchange.delivery.arrow import columns_of
from runtime.errors import InvalidArgument
from tongban import arrow_files

TABLE = pa.table({"a": [str(n) for n in range(12)], "b": ["某"] * 12})


@pytest.mark.parametrize("new", [ipc.new_file, ipc.new_stream])
def test_files_and_streams_come_in_parts(tmp_path, monkeypatch, new):
    monkeypatch.setattr(arrow_files, "ROWS_PER_PART", 5)
    path = tmp_path / "x.arrow"
    with pa.OSFile(str(path), "wb") as sink, new(sink, TABLE.schema) as writer:
        writer.write_table(TABLE)
    assert arrow_files.columns_of(path) == ["a", "b"]
    parts = list(arrow_files.parts_of(path))
    assert len(parts) == 3
    rows = [row for part in parts for c in columns_of(part, ("a", "b")) for _, row in c.rows()]
    assert rows == [[str(n), "某"] for n in range(12)]


def test_what_is_no_arrow_is_told(tmp_path):
    (tmp_path / "x.arrow").write_bytes(b"a,b\n1,2\n")
    for name, reason in (("x.arrow", "TABLE_UNREADABLE"), ("none.arrow", "FILE_UNREADABLE")):
        with pytest.raises(InvalidArgument) as caught:
            arrow_files.columns_of(tmp_path / name)
        assert caught.value.reason == reason
