import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime import idcodes
from tongban.people import companies, credit_code, people


@pytest.mark.parametrize("number", ["11010519491231002X", "440524188001010014"])
def test_published_citizen_numbers_pass(number):
    assert idcodes.citizen_number_problem(number) is None


@pytest.mark.parametrize("code", ["91330100799655058B", "914403001922038216"])
def test_published_credit_codes_pass(code):
    assert idcodes.credit_code_problem(code) is None


# GB 32100: who registers, and which kinds of bodies; N and A came with amendments.
KINDS = {
    "1": "1239", "2": "19", "3": "123459", "4": "19", "5": "1239", "6": "129", "7": "129",
    "8": "19", "9": "123", "A": "19", "N": "1239", "Y": "1",
}  # fmt: skip


@pytest.mark.parametrize("first", "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ")
def test_a_credit_code_begins_with_who_registers_and_what(first):
    for second in "0123456789AY":
        body = f"{first}{second}990101MA0000000"
        check = "0" if first in "IOSVZ" else idcodes.credit_code_check_character(body)
        good = idcodes.credit_code_problem(body + check) is None
        assert good == (second in KINDS.get(first, ""))
        region = f"{first}{second}090101MA0000000"
        if good:
            check = idcodes.credit_code_check_character(region)
            assert idcodes.credit_code_problem(region + check)


@pytest.mark.parametrize(
    ("number", "word"),
    [
        ("110105194912310021", "check"),
        ("11010519490231002X", "date"),
        ("11010519491231002x", "17 digits"),
        ("", "17 digits"),
        ("1" * 19, "17 digits"),
        ("01010519491231002X", "17 digits"),
        ("110105194912310０2X", "17 digits"),
    ],
)
def test_a_bad_citizen_number_is_named_and_not_repeated(number, word):
    problem = idcodes.citizen_number_problem(number)
    assert problem is not None
    assert word in problem
    assert not number or number not in problem


@pytest.mark.parametrize(
    "code", ["", "91330100799655058A", "9133 0100799655058B", "91330100799655058b", "x" * 500]
)
def test_a_bad_credit_code_is_refused(code):
    problem = idcodes.credit_code_problem(code)
    assert problem is not None
    assert not code or code not in problem
    assert "Invalid" not in problem  # a person reads it: no class names


@given(st.text(max_size=30))
def test_any_text_has_an_answer(text):
    for check in idcodes.STANDARDS.values():
        assert check(text) is None or isinstance(check(text), str)


def test_synthetic_people_and_companies_have_valid_distinct_numbers():
    persons = list(people(3000))
    firms = list(companies(1000))
    assert len({p.citizen_number for p in persons}) == 3000
    assert len({c.credit_code for c in firms}) == 1000
    assert not any(idcodes.citizen_number_problem(p.citizen_number) for p in persons)
    assert not any(idcodes.credit_code_problem(c.credit_code) for c in firms)


def test_the_same_seed_makes_the_same_people():
    assert list(people(20, seed=1)) == list(people(20, seed=1))
    assert list(people(20, seed=1)) != list(people(20, seed=2))


def test_sex_follows_the_citizen_number():
    persons = list(people(500))
    for person in persons:
        assert person.sex == ("男" if int(person.citizen_number[16]) % 2 else "女")
    assert 200 < sum(person.sex == "女" for person in persons) < 300


def test_an_agency_has_an_agency_code():
    assert credit_code(3, kind="11").startswith("11990101")


CITIZEN = [person.citizen_number for person in people(20)]
MUTATED = st.builds(
    lambda number, place, other: number[:place] + other + number[place + 1 :],
    st.sampled_from(CITIZEN),
    st.integers(0, 18),
    st.sampled_from(["", "0", "9", "X", "\n", "０", "13"]),
)
JOINED = st.lists(st.sampled_from(CITIZEN), min_size=2, max_size=3).map("\n".join)


@given(
    numbers=st.sets(
        st.one_of(st.sampled_from(CITIZEN), MUTATED, JOINED, st.sampled_from(["", "\n"])),
        min_size=1,
        max_size=4,
    )
)
def test_many_citizen_numbers_are_good_where_each_is(numbers):
    each = [idcodes.citizen_number_problem(number) is None for number in numbers]
    assert idcodes.are_citizen_numbers(numbers) is all(each)
