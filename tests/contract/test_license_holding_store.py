"""The tables of holding, presenting and verifying on SQLite and PostgreSQL."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta

import pytest
import sqlalchemy as sa
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory

from licenses import store
from licenses.accesses import store as accesses
from licenses.copies import store as copies
from licenses.copies.model import EndorsedCopy
from licenses.delegations import store as delegations
from licenses.delegations.model import Delegation, ShownAs
from licenses.holder_index import HolderIndex
from licenses.model import License, LicenseFormat, LicenseState
from licenses.presentations import store as presentations
from licenses.server import MIGRATIONS
from licenses.states import store as states
from licenses.statuslist import store as statuslist
from licenses.statuslist.model import Places, Status, place_of, places_key
from licenses.wallets import store as requests
from runtime.database import Database, UnitOfWork
from runtime.errors import Aborted
from runtime.records import make_record
from tests.builders.licenses import NOW, a_license, a_presentation, citizen_number

INDEX = HolderIndex(b"one passphrase")
KEY = places_key(b"one passphrase")
HOLDER, OTHER = citizen_number(1), citizen_number(2)
LISTED, VERIFIED = "held_licenses_listed", "license_verified"


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    found = Database(database_url, schema="licenses")
    found.migrate(MIGRATIONS)
    yield found
    found.close()


def add(database: Database, license_: License) -> License:
    with database.unit_of_work() as work:
        store.add_license(
            work.session, license_, index=INDEX, request_id=license_.id, request_digest=b"d"
        )
    return license_


def test_what_is_open_of_a_license_is_counted(database: Database) -> None:
    license_ = add(database, a_license(1))
    with database.unit_of_work() as work:
        for number, changes in enumerate(
            ({}, {"max_uses": 1}, {"max_uses": 1, "uses": 1}, {"ended": True}, {"expire_time": NOW})
        ):
            made = a_presentation(license_, id=f"{number:024x}", **changes)
            presentations.add_presentation(
                work.session, made, code_digest=bytes([number]), actor="a", request_id=str(number)
            )
    with database.reading() as session:
        assert presentations.open_count(session, license_.id, NOW) == 2
        assert presentations.open_count(session, "0" * 24, NOW) == 0


def test_copies_are_found_by_their_bytes_counted_and_ended(database: Database) -> None:
    license_ = add(database, a_license(1))
    copy = EndorsedCopy(
        id="c" * 24,
        license_id=license_.id,
        form=LicenseFormat.OFD,
        sha256="",
        original_sha256="cd" * 32,
        purpose="用途",
        receiver="某单位",
        maker="某局",
        valid_to=date(2026, 11, 21),
        make_time=NOW,
        delegation="d" * 24,
        receiver_department="departments/bank",
        shared=True,
        service_item="departments/bank/serviceItems/x",
    )
    with database.unit_of_work() as work:
        copies.add(work.session, copy, actor="a", request_id="1", request_digest=b"d")
        assert copies.made(work.session, copy.id, "ab" * 32)
        assert copies.of_bytes(work.session, "ab" * 32) == replace(copy, sha256="ab" * 32)
        assert copies.of_bytes(work.session, "00" * 32) is None
        assert copies.open_count(work.session, license_.id, NOW) == 1
        assert copies.open_count(work.session, license_.id, NOW + timedelta(days=1)) == 0
        assert copies.end(work.session, copy.id, NOW)
        assert not copies.end(work.session, copy.id, NOW + timedelta(days=1))
    with database.reading() as session:
        found = copies.of_id(session, copy.id)
        assert found
        assert found.end_time == NOW
        assert copies.open_count(session, license_.id, NOW) == 0


def test_credentials_of_wallets_are_noted_once_for_each_key(database: Database) -> None:
    with database.unit_of_work() as work:

        def note(sha256: str, key: str) -> bool:
            return requests.note_credential(
                work.session, sha256 * 32, license_id="1" * 24, key_sha256=key * 32, at=NOW
            )

        assert note("aa", "01")
        assert not note("aa", "01")
        assert note("bb", "02")
        assert note("cc", "01")  # sealed anew: the one before is none any more
        assert requests.license_of_credential(work.session, "aa" * 32) == ""
        assert requests.license_of_credential(work.session, "cc" * 32) == "1" * 24
        since = NOW - timedelta(days=1)
        assert requests.credentials_since(work.session, "1" * 24, since) == 2
        assert requests.credentials_since(work.session, "1" * 24, NOW) == 0


def test_presentations_of_a_holder_are_listed_and_used(database: Database) -> None:
    mine, others = add(database, a_license(1)), add(database, a_license(2, holder_code=OTHER))
    with database.unit_of_work() as work:
        for number, (of, changes) in enumerate(
            (
                (mine, {}),
                (mine, {"max_uses": 1}),
                (mine, {"ended": True}),
                (mine, {"expire_time": NOW}),
                (mine, {"purpose": "用途", "purpose_bound": True, "delegation": "d" * 24}),
                (others, {}),
            )
        ):
            made = a_presentation(of, id=f"{number:024x}", **changes)
            presentations.add_presentation(
                work.session, made, code_digest=bytes([number]), actor="a", request_id=str(number)
            )
        assert presentations.use(work.session, f"{1:024x}")
        assert not presentations.use(work.session, f"{1:024x}")

    def listed(**changes: object) -> list[int]:
        values = {"license_id": "", "open_at": NOW, "after": "", "size": 10, **changes}
        with database.reading() as session:
            found = presentations.presentations_of(session, INDEX(HOLDER), **values)  # type: ignore[arg-type]
        assert {name for _, name, _ in found} <= {mine.name}
        assert {title for _, _, title in found} <= {mine.metadata["ZZMC"]}
        return [int(one.id, 16) for one, _, _ in found]

    assert listed() == [0, 4]
    assert listed(open_at=None) == [0, 1, 2, 3, 4]
    assert listed(open_at=None, after=f"{1:024x}", size=2) == [2, 3]
    assert listed(license_id=others.id) == []
    with database.unit_of_work() as work:
        presentations.end_delegated(work.session, "d" * 24)
        found = presentations.presentation_by_id(work.session, f"{4:024x}")
        assert found
        assert (found.ended, found.purpose, found.purpose_bound) == (True, "用途", True)
    assert listed() == [0]


def test_looks_are_told_newest_first_with_one_receipt_for_many(database: Database) -> None:
    mine, second = add(database, a_license(1)), add(database, a_license(2))
    others = add(database, a_license(3, holder_code=OTHER))
    record = make_record("held_licenses_listed", at=NOW, actor="a", facts={})
    with database.unit_of_work() as work:
        accesses.add_listed(
            work.session, [mine.id, second.id, others.id], at=NOW, system="s", kind=LISTED,
            record=record,
        )  # fmt: skip
        accesses.add_access(
            work.session, mine.id, at=NOW, system="s", kind=VERIFIED, purpose="用途",
            record=make_record(VERIFIED, at=NOW, actor="a", facts={}), fields=("CZZT",),
            presentation="p", result="PASSED",
        )  # fmt: skip
    with database.reading() as session:
        found = accesses.looks_of(session, INDEX(HOLDER), license_id="", before=0, size=10)
        assert [(one.kind, one.license) for one in found] == [
            (VERIFIED, mine.name), (LISTED, second.name), (LISTED, mine.name)
        ]  # fmt: skip
        assert (found[0].fields, found[0].purpose, found[0].result) == (("CZZT",), "用途", "PASSED")
        assert found[1].leaf == found[2].leaf == record.leaf
        assert found[1].salt == record.salt
        only = accesses.looks_of(
            session, INDEX(HOLDER), license_id=mine.id, before=found[0].number, size=10
        )
        assert [one.kind for one in only] == [LISTED]


def test_looks_that_only_the_holder_takes_are_left_out_on_demand(database: Database) -> None:
    mine = add(database, a_license(1))
    own = "departments/applicants/systems/person-1"
    took = [
        (own, "held_licenses_listed"),
        (own, "license_document_read"),
        (own, "license_presented"),
        ("departments/bank/systems/counter", "held_licenses_listed"),
    ]
    with database.unit_of_work() as work:
        for system, kind in took:
            accesses.add_access(
                work.session, mine.id, at=NOW, system=system, kind=kind, purpose="",
                record=make_record(kind, at=NOW, actor=system, facts={}),
            )  # fmt: skip
    with database.reading() as session:
        found = accesses.looks_of(
            session, INDEX(HOLDER), license_id="", before=0, size=10, without_own=True
        )
    assert [(one.system, one.kind) for one in reversed(found)] == took[2:]
    assert found[0].title == mine.metadata["ZZMC"]


def test_delegations_are_found_by_both_sides_and_end_once(database: Database) -> None:
    made = Delegation(
        id="a" * 24,
        grantor_code=HOLDER,
        agent_name="钱代办",
        agent_code=OTHER,
        licenses=("departments/x/licenses/1",),
        purpose="用途",
        create_time=NOW,
        expire_time=NOW + timedelta(days=1),
        forms=(ShownAs.COPY,),
    )
    with database.unit_of_work() as work:
        delegations.add(work.session, made, index=INDEX, actor="a")
        assert delegations.open_count(work.session, INDEX(HOLDER), NOW) == 1
        assert delegations.open_count(work.session, INDEX(HOLDER), made.expire_time) == 0
    again = HolderIndex(b"another passphrase")
    for index in (INDEX, again):
        with database.unit_of_work() as work:
            delegations.index_again(work.session, index)
            for code, as_agent, count in (
                (HOLDER, False, 1), (OTHER, True, 1), (HOLDER, True, 0), (OTHER, False, 0)
            ):  # fmt: skip
                found = delegations.given_or_got(
                    work.session, index(code), as_agent=as_agent, after="", size=9
                )
                assert found == [made] * count
    with database.unit_of_work() as work:
        assert delegations.end(work.session, made.id, NOW)
        assert not delegations.end(work.session, made.id, NOW)
    with database.reading() as session:
        assert delegations.delegation_by_id(session, made.id) == replace(made, end_time=NOW)


def test_a_place_is_given_once_also_at_once(database: Database) -> None:
    held = [add(database, a_license(number)) for number in range(1, 9)]
    given: list[tuple[int, int]] = []

    def take(license_: License) -> None:
        for _ in range(2):
            with database.unit_of_work() as work:
                given.append(
                    statuslist.place(work.session, license_.id, lambda n: place_of(KEY, n))
                )

    threads = [threading.Thread(target=take, args=(one,)) for one in held]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(given) == 16
    assert len(set(given)) == 8
    with database.unit_of_work() as work:
        # Under another key a place may be taken: the next that is free is given.
        mine = statuslist.place(work.session, held[0].id, lambda n: (9, 9))
        assert mine in given
        fresh = add_within(work, a_license(9))
        taken = iter([mine, mine, (0, 1)])
        assert statuslist.place(work.session, fresh.id, lambda _: next(taken)) == (0, 1)
        assert statuslist.license_at(work.session, *mine) == held[0].id
        assert statuslist.license_at(work.session, 5, 5) == ""
        assert statuslist.lists(work.session) == [0]
        store.move(
            work.session, held[0].id, LicenseState.ACTIVE, LicenseState.REVOKED, at=NOW, reason=""
        )
    with database.reading() as session:
        assert list(statuslist.entries(session, 0)) == [(mine[1], Status.INVALID)]


def test_each_showing_of_a_license_has_a_place_of_its_own(database: Database) -> None:
    license_ = add(database, a_license(1))
    shown = a_presentation(license_, max_uses=0)
    over = NOW + timedelta(hours=1)

    def take(work: UnitOfWork, showing: str, places: Places = Places.LASTING) -> tuple[int, int]:
        until = over if places is Places.CODES else None
        return statuslist.place(
            work.session, license_.id, lambda n: place_of(KEY, n, places),
            showing=showing, places=places, until=until,
        )  # fmt: skip

    with database.unit_of_work() as work:
        presentations.add_presentation(
            work.session, shown, code_digest=b"d" * 32, actor="a", request_id="r" * 16
        )
        own, wallet = take(work, ""), take(work, "e" * 64)
        code, other = take(work, shown.id, Places.CODES), take(work, "9" * 24, Places.CODES)
        assert take(work, "e" * 64) == wallet
        assert len({own, wallet, code, other}) == 4
        assert {own[0], wallet[0]} == {0}
        assert {code[0], other[0]} == {Places.CODES.first}
        presentations.end(work.session, shown.id)
    with database.reading() as session:
        assert list(statuslist.entries(session, 0)) == []
        assert list(statuslist.entries(session, code[0])) == [(code[1], Status.ENDED)]
    with database.unit_of_work() as work:
        store.move(
            work.session, license_.id, LicenseState.ACTIVE, LicenseState.REVOKED, at=NOW, reason=""
        )
    with database.reading() as session:
        told = {at: status for n in (0, code[0]) for at, status in statuslist.entries(session, n)}
        assert told == dict.fromkeys((own[1], wallet[1], code[1], other[1]), Status.INVALID)
    with database.unit_of_work() as work:
        statuslist.forget_over(work.session, over)
        assert statuslist.lists(work.session) == [0, Places.CODES.first]
        statuslist.forget_over(work.session, over + timedelta(seconds=1))
        assert statuslist.lists(work.session) == [0]
        assert statuslist.given(work.session, Places.CODES) == 2


def test_places_of_before_stay_where_they_were(database: Database) -> None:
    license_ = add(database, a_license(1))
    settings = Config()
    settings.set_main_option("script_location", str(MIGRATIONS))
    script = ScriptDirectory.from_config(settings)
    with database.engine.begin() as connection:
        for table in ("license_place", "license_status_counter"):
            connection.execute(sa.text(f"DROP TABLE {table}"))
        with Operations.context(MigrationContext.configure(connection)):
            script.get_revision("0007").module.upgrade()
            held = "license_status (license_id, number, list, place) VALUES (:id, 5, 3, 77)"
            connection.execute(sa.text(f"INSERT INTO {held}"), {"id": license_.id})
            script.get_revision("0018").module.upgrade()
    with database.unit_of_work() as work:
        assert statuslist.license_at(work.session, 3, 77) == license_.id
        assert statuslist.place(work.session, license_.id, lambda _: (9, 9)) == (3, 77)
        wallet = statuslist.place(work.session, license_.id, lambda _: (9, 9), showing="e" * 64)
        assert wallet == (9, 9)


def add_within(work: object, license_: License) -> License:
    store.add_license(
        work.session,  # type: ignore[attr-defined]
        license_,
        index=INDEX,
        request_id=license_.id,
        request_digest=b"d",
    )
    return license_


def test_the_state_at_a_time_is_the_last_that_began(database: Database) -> None:
    issuing = LicenseState.ISSUING
    license_ = add(database, a_license(state=issuing, activated_at=None))
    changes = [LicenseState.ACTIVE, LicenseState.SUSPENDED, LicenseState.ACTIVE]
    before = issuing
    for number, after in enumerate(changes):
        with database.unit_of_work() as work:
            at = NOW + timedelta(hours=number)
            assert store.move(work.session, license_.id, before, after, at=at, reason="")
            assert not store.move(work.session, license_.id, issuing, after, at=at, reason="")
        before = after
    with database.reading() as session:
        assert states.state_at(session, license_.id, NOW - timedelta(seconds=1)) is None
        for number, state in enumerate(changes):
            at = NOW + timedelta(hours=number)
            assert states.state_at(session, license_.id, at) == (state, at)
            assert states.state_at(session, license_.id, at + timedelta(minutes=59)) == (state, at)


def test_a_copy_is_reserved_once_and_made_once(database: Database) -> None:
    copy = EndorsedCopy(
        id="c" * 24,
        license_id="1" * 24,
        form=LicenseFormat.PDF,
        sha256="",
        original_sha256="ab" * 32,
        purpose="用途",
        receiver="单位",
        maker="机关",
        valid_to=date(2026, 12, 1),
        make_time=NOW,
    )
    with database.unit_of_work() as work:
        copies.add(work.session, copy, actor="a", request_id="r", request_digest=b"d")
        assert copies.made(work.session, copy.id, "ef" * 32)
        assert not copies.made(work.session, copy.id, "00" * 32)
    with database.reading() as session:
        made = replace(copy, sha256="ef" * 32)
        assert copies.of_request(session, "a", "r") == (made, b"d")
        assert copies.of_id(session, copy.id) == made
        assert copies.of_request(session, "b", "r") is None

    def again() -> None:
        other = replace(copy, id="d" * 24)
        with database.unit_of_work() as work:
            copies.add(work.session, other, actor="a", request_id="r", request_digest=b"d")

    with pytest.raises(Aborted):
        again()
