"""What only one license in force may have, on SQLite and PostgreSQL."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import date

import pytest
import sqlalchemy as sa

from licenses import store
from licenses.claims import store as claims
from licenses.claims.model import claims_of
from licenses.holder_index import HolderIndex
from licenses.model import Act, License, LicenseState
from licenses.server import MIGRATIONS
from licenses.types.model import LicenseType
from runtime.database import Database
from runtime.errors import Aborted
from tests.builders.licenses import NOW, a_license, a_person, a_type, citizen_number

INDEX = HolderIndex(b"one passphrase")
TODAY = "2026-11-22"
ONE = replace(a_type(), only_one="holder")
HOUSE = replace(a_type(), unique=("KZ_BZ",))


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    found = Database(database_url, schema="licenses")
    found.migrate(MIGRATIONS)
    yield found
    found.close()


def a_card(number: int, *holders: int, **changes: object) -> License:
    people = tuple(a_person(code=citizen_number(one)) for one in holders)
    ending = {"valid_to": None, "state": LicenseState.ISSUING, **changes}
    return a_license(number, holders=people, **ending)


def add(
    database: Database,
    license_: License,
    kind: LicenseType = ONE,
    today: str = TODAY,
    version: int = 1,
) -> str:
    """What is taken already; where nothing is, the license is there with its claims."""
    with database.unit_of_work() as work:
        claims.keep(work.session, kind, version, INDEX)
        wanted = claims_of(kind, license_.holders, license_.metadata)
        held = store.license_by_id(work.session, license_.predecessor)
        before = claims.Before.of(kind, held) if held else None
        taken = claims.take(work.session, license_, wanted, INDEX, today, before)
        if not taken:
            store.add_license(
                work.session, license_, index=INDEX, request_id=license_.id, request_digest=b"d"
            )
        else:
            work.session.rollback()
    return taken


def move(database: Database, license_: License, after: LicenseState) -> None:
    with database.unit_of_work() as work:
        held = store.license_by_id(work.session, license_.id)
        assert held is not None
        assert store.move(work.session, held.id, held.state, after, at=NOW, reason="")


def test_a_holder_has_one_until_it_ends(database: Database) -> None:
    first, second = a_card(1, 1, 2), a_card(2, 2, 3)
    assert add(database, first) == ""
    assert add(database, second) == "holder"
    move(database, first, LicenseState.ACTIVE)
    assert add(database, second) == "holder"
    move(database, first, LicenseState.SUSPENDED)
    assert add(database, second) == "holder"
    move(database, first, LicenseState.REVOKED)
    assert add(database, second) == ""
    assert add(database, a_card(3, 1)) == ""
    assert add(database, a_card(4, 3)) == "holder"


def test_what_is_over_holds_nobody_up_and_is_refused_nothing(database: Database) -> None:
    over = date(2026, 11, 21)
    assert add(database, a_card(1, 1, valid_to=over)) == ""
    first = date(2026, 11, 22)
    assert add(database, a_card(2, 1, valid_from=first, valid_to=first)) == ""
    assert add(database, a_card(3, 1, valid_from=first)) == "holder"
    assert add(database, a_card(4, 1, valid_to=over)) == ""


def test_no_two_are_valid_on_one_day_whatever_the_clock_said(database: Database) -> None:
    """A clock that runs ahead ends what is in force, until it is set right."""
    ahead = "2027-02-01"
    entered = a_card(1, 1, valid_from=date(2026, 1, 1), valid_to=date(2026, 12, 31))
    assert add(database, entered, today=ahead) == ""
    told = a_card(2, 1, valid_from=date(2026, 6, 1))  # by one of its fields
    assert add(database, told, today=ahead) == "holder"
    assert add(database, a_card(3, 1, valid_from=date(2027, 2, 1)), today=ahead) == ""
    assert add(database, a_card(4, 1, valid_from=date(2026, 11, 22))) == "holder"


def test_a_version_takes_the_claims_of_the_one_before_when_that_one_ends(
    database: Database,
) -> None:
    first = a_card(1, 1, 2)
    add(database, first)
    move(database, first, LicenseState.ACTIVE)
    second = a_card(2, 2, 3, predecessor=first.id, act=Act.CORRECT, version=2)
    assert add(database, second) == ""
    for number in (1, 2, 3):
        assert add(database, a_card(9, number)) == "holder"
    move(database, first, LicenseState.SUPERSEDED)
    move(database, second, LicenseState.ACTIVE)
    assert add(database, a_card(3, 2)) == "holder"
    assert add(database, a_card(3, 3)) == "holder"
    assert add(database, a_card(3, 1)) == ""


def test_a_version_that_was_abandoned_leaves_all_to_the_one_before(database: Database) -> None:
    first = a_card(1, 1)
    add(database, first)
    move(database, first, LicenseState.ACTIVE)
    second = a_card(2, 1, 3, predecessor=first.id, act=Act.CORRECT, version=2)
    add(database, second)
    move(database, second, LicenseState.ABANDONED)
    assert add(database, a_card(3, 1)) == "holder"
    assert add(database, a_card(3, 3)) == ""
    third = a_card(4, 1, predecessor=first.id, act=Act.CORRECT, version=3)
    assert add(database, third) == ""


def test_values_are_one_whatever_their_width_and_spaces(database: Database) -> None:
    def house(number: int, unit: str) -> License:
        one = a_card(number, number)
        return replace(one, metadata={**one.metadata, "KZ_BZ": unit})

    assert add(database, house(1, "990101 001001 GB00001 F00010001"), HOUSE) == ""
    assert add(database, house(2, "990101001001GB00001F00010001"), HOUSE) == "KZ_BZ"
    assert add(database, house(3, "９９０１０１001001gb00001F00010001"), HOUSE) == "KZ_BZ"
    assert add(database, house(4, "990101 001001 GB00001 F00010002"), HOUSE) == ""
    with database.engine.connect() as connection:
        kept = connection.execute(sa.select(claims.ClaimRow.value_index)).scalars().all()
    assert not [one for one in kept if b"GB00001" in one]


def test_what_was_in_force_before_a_type_had_the_rule_is_found(database: Database) -> None:
    with database.unit_of_work() as work:
        for one in (
            a_card(1, 1, state=LicenseState.ACTIVE),
            a_card(2, 1, state=LicenseState.ACTIVE),  # twice, before there was a rule
            a_card(3, 2, state=LicenseState.REVOKED),
        ):
            store.add_license(work.session, one, index=INDEX, request_id=one.id, request_digest=b"")
    assert add(database, a_card(4, 1)) == "holder"
    assert add(database, a_card(5, 2)) == ""
    with database.unit_of_work() as work:
        assert claims.doubled(work.session, ONE.id, TODAY) == 1
    # What both had stays theirs, and their next versions'; of the one that ended, the other's.
    corrected = a_card(6, 1, predecessor=a_card(2, 1).id, act=Act.CORRECT, version=2)
    assert add(database, corrected) == ""
    move(database, a_card(2, 1), LicenseState.SUPERSEDED)
    move(database, corrected, LicenseState.ACTIVE)
    move(database, a_card(1, 1), LicenseState.REVOKED)
    assert add(database, a_card(7, 1)) == "holder"
    with database.unit_of_work() as work:
        assert claims.doubled(work.session, ONE.id, TODAY) == 0
    # Made anew where the key is another.
    other = HolderIndex(b"another passphrase")
    with database.unit_of_work() as work:
        claims.keep(work.session, ONE, 1, other)
        wanted = claims_of(ONE, a_card(8, 1).holders, {})
        assert claims.take(work.session, a_card(8, 1), wanted, other, TODAY) == "holder"


def test_what_was_issued_while_there_was_no_rule_is_found_when_it_comes_back(
    database: Database,
) -> None:
    assert add(database, a_card(1, 1)) == ""
    assert add(database, a_card(2, 2), a_type(), version=2) == ""
    assert add(database, a_card(3, 2), version=3) == "holder"
    assert add(database, a_card(3, 3), version=3) == ""
    with pytest.raises(Aborted):  # by a version that was read before another was put
        add(database, a_card(4, 9), version=2)


def test_a_version_takes_no_value_that_another_got_meanwhile(database: Database) -> None:
    over, since = date(2026, 11, 21), date(2026, 11, 22)
    first = a_card(1, 1, valid_to=over)
    add(database, first)
    move(database, first, LicenseState.ACTIVE)
    assert add(database, a_card(2, 1, valid_from=since)) == ""
    renewed = a_card(3, 1, predecessor=first.id, act=Act.RENEW, version=2, valid_from=since)
    assert add(database, renewed) == "holder"


def test_of_ten_at_once_one_has_it(database: Database) -> None:
    add(database, a_card(99, 99))
    together = threading.Barrier(10)
    answers: list[str] = []

    def ask(number: int) -> None:
        holders = (1, 2) if number % 2 else (2, 1)
        together.wait()
        try:
            answers.append(add(database, a_card(number, *holders)) or "made")
        except Aborted:
            answers.append(add(database, a_card(number, *holders)) or "made")

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(1, 11)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sorted(answers) == ["holder"] * 9 + ["made"]


def test_one_paper_of_an_issuer_is_made_electronic_once(database: Database) -> None:
    def from_paper(number: int, holder: int, said: str) -> License:
        plain = a_card(number, holder)
        return replace(plain, metadata={**plain.metadata, "KZ_YZZBH": said})

    kind = a_type()  # which has no rule of its own
    assert add(database, from_paper(1, 1, "示人社就字第000123号"), kind) == ""
    assert (
        add(database, from_paper(2, 2, "示人社就字 第\uff10\uff10\uff10123号"), kind)
        == "paper.number"
    )
    assert add(database, from_paper(3, 2, "示人社就字第000124号"), kind) == ""


def test_a_paper_that_is_over_is_made_electronic_once_too(database: Database) -> None:
    def over(number: int, year: int) -> License:
        days = {"valid_from": date(year, 1, 1), "valid_to": date(year, 12, 31)}
        plain = a_card(number, number, **days)
        return replace(plain, metadata={**plain.metadata, "KZ_YZZBH": "第12号"})

    kind = a_type()
    assert add(database, over(1, 2009), kind) == ""
    assert add(database, over(2, 2009), kind) == "paper.number"
    assert add(database, over(3, 2010), kind) == ""  # numbered anew each year


@pytest.mark.parametrize(
    "typed", ["990101-001001-GB00100", "990101 001001 gb00100", "\uff08990101\uff09001001GB00100"]
)
def test_one_value_is_one_however_it_is_parted(typed: str) -> None:
    (claim,) = claims_of(HOUSE, (), {"KZ_BZ": typed})
    assert claim.value == "990101001001gb00100"
