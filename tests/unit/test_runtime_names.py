import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime import idcodes, names, paging
from runtime.database import check_request_id
from runtime.errors import InvalidArgument


def test_a_name_is_taken_apart_and_put_together():
    name = names.make(names.GRANT, department="human-resources", grant="a1")
    assert name == "departments/human-resources/grants/a1"
    assert names.parse(names.GRANT, name) == {"department": "human-resources", "grant": "a1"}
    assert names.department_of(name) == "departments/human-resources"


@pytest.mark.parametrize(
    "name",
    [
        "",
        "departments/",
        "departments/A",
        "departments/-a",
        "departments/a-",
        "departments/a/",
        "departments/a/grants/b/c",
        "departments/" + "a" * 64,
        "departments/é",
        "departments/a\n",
        "x" * 10_000,
    ],
)
def test_a_malformed_name_is_refused_without_being_repeated(name):
    with pytest.raises(InvalidArgument) as caught:
        names.parse(names.DEPARTMENT, name)
    assert caught.value.reason == "MALFORMED_NAME"
    assert name in names.DEPARTMENT or name not in caught.value.message


def test_a_wildcard_is_admitted_only_where_asked():
    assert names.parse(names.DEPARTMENT, "departments/-", wildcard=True) == {"department": "-"}
    with pytest.raises(InvalidArgument):
        names.parse(names.DEPARTMENT, "departments/-")


@given(st.text(max_size=80))
def test_any_text_is_a_name_or_refused(text):
    try:
        names.parse(names.LICENSE, text)
    except InvalidArgument:
        return
    assert names.make(names.LICENSE, **names.parse(names.LICENSE, text)) == text


@given(st.text(max_size=200))
def test_a_page_token_comes_back(text):
    assert paging.last_of(paging.token_after(text)) == text


@given(st.text(max_size=60))
def test_any_text_is_a_token_or_refused(text):
    try:
        paging.last_of(text)
    except InvalidArgument as error:
        assert error.reason == "BAD_PAGE_TOKEN"


@pytest.mark.parametrize(
    "text",
    ["x", "1111 a", "2026-01-05 a", "0001-01-01T00:00:00+14:00 a", "9999-12-31T23:59:59-14:00 a"],
    ids=["word", "number", "no zone", "before the first day", "after the last"],
)
def test_a_token_of_a_moment_that_is_none_is_refused(text):
    with pytest.raises(InvalidArgument) as refused:
        paging.moment_of(paging.token_after(text))
    assert refused.value.reason == "BAD_PAGE_TOKEN"


def test_page_sizes_are_bounded():
    assert paging.page_size(0) == 100
    assert paging.page_size(5000) == 1000
    with pytest.raises(InvalidArgument):
        paging.page_size(-1)


def citizen() -> str:
    body = "99010119900101001"
    return body + idcodes.citizen_check_character(body)


def ids_with_numbers() -> list[str]:
    number = citizen()
    bodies = (f"990101199001010{n:02d}" for n in range(100))
    with_x = next(one for one in bodies if idcodes.citizen_check_character(one) == "X") + "x"
    apart = "-".join((number[:6], number[6:14], number[14:]))
    return [number, f"job-{number}", f"a{number}1", apart, with_x]


@pytest.mark.parametrize("value", ids_with_numbers())
def test_an_id_holds_no_citizen_number(value):
    with pytest.raises(InvalidArgument) as caught:
        names.check_id(value, field="subscription_id")
    assert caught.value.reason == "CITIZEN_NUMBER_IN_ID"
    assert value not in caught.value.message + caught.value.message_zh
    with pytest.raises(InvalidArgument) as caught:
        check_request_id(value)
    assert caught.value.reason == "CITIZEN_NUMBER_IN_ID"


@pytest.mark.parametrize(
    "value",
    [
        citizen()[:17] + ("0" if citizen()[17] != "0" else "1"),  # a wrong check character
        "990101199013010019",  # no date
        "20261122073825123456",
        "3f99010119-9001-4010-8190-abcdefabcdef",
        str(uuid.UUID("99010119-9001-4100-9190-abcdefabcdef")),
        f"ab{citizen()}cdef01234567",  # a hash
        f"sheet-ab{citizen()}cdef01234567",
    ],
)
def test_other_digits_may_stand_in_an_id(value):
    assert names.check_id(value, field="subscription_id") == value
    check_request_id(value)
