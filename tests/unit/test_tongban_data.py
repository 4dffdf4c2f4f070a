"""What a department's commands say of files and calls that go wrong."""

from __future__ import annotations

import errno
import json

import grpc
import pytest
import typer

from exchange.v1 import query_pb2
from runtime import errors, status
from tongban.client import repeatable
from tongban.commands import data, query


class FailedCall(grpc.RpcError):
    def __init__(self, error: errors.DomainError | None, code=grpc.StatusCode.UNAVAILABLE):
        self._error, self._code = error, status.code_of(error) if error else code

    def code(self):
        return self._code

    def details(self):
        return self._error.message if self._error else "Socket closed"

    def trailing_metadata(self):
        if self._error is None:
            return ()
        return ((status.DETAILS_KEY, status.to_status(self._error).SerializeToString()),)


@pytest.fixture(autouse=True)
def english(monkeypatch):
    monkeypatch.setenv("TONGBAN_LANG", "en")


@pytest.mark.parametrize(
    ("content", "reason", "told"),
    [
        (None, "FILE_UNREADABLE", "No such file"),
        ("name\nx\n" + "y" * 200_000, "CELL_TOO_LARGE", "line 3 of"),
        (b"name\n\xff\xfe\n", "TABLE_UNREADABLE", "UTF-8"),
        ("", "TABLE_UNREADABLE", "is empty"),
    ],
)
def test_a_table_that_cannot_be_read_says_why(tmp_path, content, reason, told):
    path = tmp_path / "people.csv"
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(errors.InvalidArgument) as caught:
        data.read_records(path)
    assert caught.value.reason == reason
    assert told in caught.value.message


def test_a_rejected_row_is_told_by_its_line_in_the_file(tmp_path):
    path = tmp_path / "people.csv"
    path.write_text('name,phone\n"two\nlines",1\n\nx,2\n')
    items, rows, places = data.read_records(path)
    assert (items, rows, places) == (["name", "phone"], [["two\nlines", "1"], ["x", "2"]], [2, 5])
    wrong = [errors.FieldViolation(f, "wrong") for f in ("rows[1].phone", "rows[0]", "rows[9].x")]
    refusal = errors.InvalidArgument("no", reason="ROWS_REJECTED", violations=wrong)
    with pytest.raises(errors.InvalidArgument) as caught, data._by_lines(places):
        raise FailedCall(refusal)
    assert [v.field for v in caught.value.violations] == ["line 5, phone", "line 2", "rows[9].x"]


@pytest.mark.parametrize("code", [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED])
def test_a_broken_call_says_how_to_repeat_it(code):
    with pytest.raises(errors.Unavailable) as caught, repeatable("act-1"):
        raise FailedCall(None, code)
    assert caught.value.metadata == {"request_id": "act-1"}
    for text in (caught.value.message, caught.value.message_zh):
        assert "--request-id act-1" in text


def test_a_refused_call_is_not_to_be_repeated():
    with pytest.raises(FailedCall), repeatable("act-1"):
        raise FailedCall(errors.NotFound("no"))


def test_an_answer_is_shown_also_where_its_receipt_cannot_be_kept(monkeypatch, capsys, tmp_path):
    class Answering:
        def __init__(self, *_where, **_how):
            pass

        def __enter__(self):
            return self

        def __exit__(self, *_error):
            pass

        def query_request(self, *_what, **_more):
            return query_pb2.QueryRequest()

        @property
        def queries(self):
            return self

        timeout = 1

        def Query(self, *_what, **_more):  # noqa: N802  # the protocol's name
            return query_pb2.QueryResponse(found=True, items={"name": "x"})

    def full(*_what, **_more):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(query, "Client", Answering)
    monkeypatch.setattr(query, "save_receipt", full)
    with pytest.raises(typer.Exit) as ended:
        query.query(
            "departments/a/grants/b", "p", "c", key="k", receipt=tmp_path / "receipt", as_json=True
        )
    assert ended.value.exit_code == 5
    said = capsys.readouterr()
    assert json.loads(said.out) == {"found": True, "items": {"name": "x"}}
    assert "STORAGE_FULL" in said.err
