import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime import names, paging
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


def test_page_sizes_are_bounded():
    assert paging.page_size(0) == 100
    assert paging.page_size(5000) == 1000
    with pytest.raises(InvalidArgument):
        paging.page_size(-1)
