"""A purpose and a case number that nobody can read are none."""

import pytest

from exchange.grants.faults import text_faults
from licenses.texts import check_text
from runtime.asking import check_question, is_case_number, says_something
from runtime.errors import InvalidArgument

NOTHING = [
    "", " ", "\u3000", "\u200b", "\n", "\0", "\u202e", "\u00a0", "\u2800", "\u3164", "\uffa0",
    "\u115f\u1160", "\ufe0f", "\U000e0041", "。。。", "- -", "\u00ad\u2060",
]  # fmt: skip


@pytest.mark.parametrize("text", NOTHING)
def test_what_shows_nothing_is_no_purpose_and_no_case(text):
    for purpose, case_number, field in ((text, "2026-1", "purpose"), ("核实", text, "case_number")):
        with pytest.raises(InvalidArgument) as caught:
            check_question(purpose, case_number)
        assert caught.value.reason == "BAD_QUESTION"
        assert [one.field for one in caught.value.violations] == [field]
    assert not is_case_number(text)
    with pytest.raises(InvalidArgument) as caught:
        check_text(text, name="purpose")
    assert caught.value.reason == "BAD_TEXT"
    assert list(text_faults("purpose", text, 200))


@pytest.mark.parametrize("text", ["核实", "x", "7", "𠮷", "①", "2026-0001 号", "ٮ", "\u202e核"])
def test_what_can_be_read_is_taken(text):
    check_question(text, text)
    assert says_something(text)
