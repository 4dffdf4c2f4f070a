"""What is wrong with a file of lists is named by table, place and field."""

import pytest

from exchange.v1 import lists_pb2 as pb
from runtime.errors import InvalidArgument
from tongban.commands.list_rows import read_rows

GOOD = b'[[responsibility]]\nname = "r"\nitems = ["a"]\n[[negative]]\nname = "n"\n'


def test_rows_are_read():
    promised, kept_back = read_rows(GOOD)
    assert promised == [pb.Responsibility(name="r", items=["a"])]
    assert kept_back == [pb.Negative(name="n")]
    assert read_rows(b"") == ([], [])


@pytest.mark.parametrize(
    ("text", "field", "told"),
    [
        (GOOD + b'resource = "x"\n', "negative[0].resource", "it has name, "),
        (GOOD + b"[[negative]]\nname = 1\n", "negative[1].name", "kind of value"),
        (b'[[responsibility]]\nitems = "a"\n', "responsibility[0].items", "kind of value"),
        (b"[[responsibility]]\nversion = 1\n", "responsibility[0].version", "no field"),
        (b"[[other]]\nname = 1\n", "other", "[[responsibility]] and [[negative]]"),
        (b"responsibility = 1\n", "responsibility", "write [[responsibility]]"),
        (b"[negative]\nname = 1\n", "negative", "write [[negative]]"),
        (b"\n\nname 1\n", "file", "line 3"),
        (b"a = " + b"[" * 5000 + b"]" * 5000, "file", "not TOML"),
        (b"\xff", "file", "UTF-8"),
    ],
)
def test_what_is_wrong_is_named(text, field, told):
    with pytest.raises(InvalidArgument) as refused:
        read_rows(text)
    assert refused.value.reason == "ROW_INVALID"
    assert refused.value.message_zh != refused.value.message
    assert any(v.field == field and told in v.description for v in refused.value.violations)
