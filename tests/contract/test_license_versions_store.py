"""Versions of types and licenses, several holders and names, on SQLite and PostgreSQL."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from licenses import store
from licenses.holder_index import HolderIndex
from licenses.lists import store as lists
from licenses.model import Act, License, LicenseState, Origin
from licenses.server import MIGRATIONS
from licenses.texts import search_key
from licenses.types import store as types
from licenses.types.pages import shipped
from licenses.types.service import Types
from runtime.clock import FixedClock
from runtime.database import Database
from runtime.errors import Aborted, NotFound
from tests.builders.licenses import (
    BUREAU,
    NOW,
    TYPE_NAME,
    a_license,
    a_person,
    a_type_version,
    citizen_number,
)

INDEX = HolderIndex(b"one passphrase")


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    found = Database(database_url, schema="licenses")
    found.migrate(MIGRATIONS)
    yield found
    found.close()


def add(database: Database, *licenses: License) -> None:
    with database.unit_of_work() as work:
        for one in licenses:
            store.add_license(
                work.session, one, index=INDEX, request_id=one.id, request_digest=b"digest"
            )


def test_a_version_is_read_as_it_was_written(database: Database) -> None:
    holders = (a_person("阿卜杜拉·示例"), a_person("钱示例", citizen_number(2)))
    first = a_license(holders=holders, successor="2" * 24, jwt_sha256="ef" * 32)
    second = replace(
        a_license(2),
        version=2,
        type_version=3,
        predecessor=first.id,
        act=Act.CORRECT,
        act_reason="更正",
        origin=Origin.PAPER,
        state=LicenseState.ISSUING,
        serial=first.serial,
    )
    add(database, first, second)
    with database.reading() as session:
        assert store.license_by_id(session, first.id) == first
        assert store.license_by_id(session, second.id) == second
        assert store.being_issued_after(session, first.id) == second.id
        assert store.being_issued_after(session, second.id) == ""
        kind = first.type_id
        assert store.greatest_version(session, BUREAU, kind, first.serial) == 2
        assert store.greatest_version(session, BUREAU, kind, "9") == 0
        for one in holders:
            found = store.held(session, INDEX(one.code), after="", size=9)
            assert [each.id for each in found] == [first.id]


def test_licenses_are_found_by_the_beginning_of_a_name_in_order_of_code_points(
    database: Database,
) -> None:
    names = ["赵示例", "赵示", "𠮷田", "赵•古丽", "Ab", "赵·古丽", "ꆈꌠ", "\uffee"]
    licenses = [a_license(n, holders=(a_person(name),)) for n, name in enumerate(names, start=1)]
    both = a_license(20, holders=(a_person("赵甲"), a_person("赵乙", citizen_number(2))))
    add(database, *licenses, both, a_license(30, issuer="departments/other"))

    def found(prefix: str, size: int = 100, after: tuple[str, int] | None = None) -> list[str]:
        with database.reading() as session:
            rows = lists.issued_to(session, BUREAU, search_key(prefix), after=after, size=size)
        return [one.holders[place].name for place, one in rows]

    assert found("赵") == ["赵•古丽", "赵·古丽", "赵乙", "赵甲", "赵示", "赵示例"]
    assert found("赵·") == found("赵\u30fb") == ["赵•古丽", "赵·古丽"]
    assert found("𠮷") == ["𠮷田"]
    assert found("") == sorted([*names, "赵甲", "赵乙"], key=search_key)
    assert found("钱") == []
    assert found("%") == found("_") == []
    # Page by page it is the same, and a token of another issuer's license opens nothing.
    pages, after = [], None
    while True:
        with database.reading() as session:
            rows = lists.issued_to(session, BUREAU, "赵", after=after, size=1)
        if not rows:
            break
        pages += [one.holders[place].name for place, one in rows]
        after = (rows[-1][1].id, rows[-1][0])
    assert pages == found("赵")
    assert found("赵", after=(a_license(30).id, 0)) == []
    assert found("赵", after=("x", 0)) == []


def test_a_shipped_type_is_the_first_version_and_a_changed_file_the_next(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Types(database, FixedClock(NOW))
    held.begin()
    held.begin()
    assert held.newest(TYPE_NAME) == a_type_version()
    assert [one.type.id for one in held.all(after="", size=100)] == sorted(
        one.type.id for one in held.all(after="", size=100)
    )
    assert len(held.all(after="", size=100)) == len(shipped())
    text, template = a_type_version().text, a_type_version().template_text
    changed = f"{text}# changed\n"
    monkeypatch.setattr("licenses.types.service.shipped", lambda: [(changed, template)])
    held.begin()
    assert held.newest(TYPE_NAME).version == 2
    with database.unit_of_work() as work:  # somebody puts one
        put = replace(held.newest(TYPE_NAME), version=3, digest="d" * 64, put_by="somebody")
        types.add(work.session, put)
    monkeypatch.setattr("licenses.types.service.shipped", lambda: [(text, template)])
    held.begin()
    assert held.newest(TYPE_NAME).version == 3
    assert [one.version for one in held.versions(TYPE_NAME, after=1, size=9)] == [2, 3]
    for name, number in (("employment-registration", 4), ("employment-registration", 0), ("x", 1)):
        with pytest.raises(NotFound):
            held.version(name, number)


def test_of_two_that_put_a_version_at_once_one_comes_first(database: Database) -> None:
    told: list[str] = []
    one = a_type_version()

    def put() -> None:
        try:
            with database.unit_of_work() as work:
                types.add(work.session, one)
            told.append("put")
        except Aborted as error:
            told.append(error.reason)

    threads = [threading.Thread(target=put) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(told) == ["CONCURRENT_CHANGE", "CONCURRENT_CHANGE", "put"]


def test_licenses_of_before_are_carried_over(database_url: str) -> None:
    database = Database(database_url, schema="licenses")
    _migrate_to(database, "0001")
    old = a_license(holders=(a_person("赵•示例"),))
    row = {
        "id": old.id, "issuer": old.issuer, "type_id": old.type_id, "identifier": old.identifier,
        "serial": old.serial, "holder_name": "赵•示例", "holder_code": old.holder_code,
        "holder_code_type": "111", "holder_index": INDEX(old.holder_code),
        "metadata_json": "{}", "metadata_sha256": "ab" * 32, "valid_from": "2026-11-21",
        "valid_to": "", "issue_time": NOW, "seal": old.seal, "state": "ACTIVE", "state_time": NOW,
        "state_reason": "", "ofd_sha256": "ab" * 32, "pdf_sha256": "cd" * 32, "actor": old.actor,
        "request_id": "r", "request_digest": b"d",
    }  # fmt: skip
    shown = {
        "id": "f" * 24, "license_id": old.id, "code_digest": b"c", "fields": "[]", "audience": "",
        "expire_time": NOW, "max_uses": 0, "uses": 0, "ended": False, "actor": "a",
        "request_id": "p",
    }  # fmt: skip
    with database.unit_of_work() as work:
        for table, values in (("license", row), ("presentation", shown)):
            names = ", ".join(values)
            marks = ", ".join(f":{name}" for name in values)
            work.session.execute(sa.text(f"INSERT INTO {table} ({names}) VALUES ({marks})"), values)
    database.migrate(MIGRATIONS)
    with database.reading() as session:
        (found,) = store.held(session, INDEX(old.holder_code), after="", size=9)
        assert found.holders == old.holders
        assert (found.version, found.type_version, found.origin) == (1, 1, Origin.NATIVE)
        assert len(lists.issued_to(session, BUREAU, "赵·", after=None, size=9)) == 1
        assert session.execute(sa.text("SELECT count(*) FROM presentation")).scalar_one() == 1
    database.close()


def _migrate_to(database: Database, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with database.engine.connect() as connection:
        if not database.is_sqlite:
            connection.execute(sa.text(f'CREATE SCHEMA IF NOT EXISTS "{database.schema}"'))
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        connection.commit()


def test_licenses_are_listed_by_the_time_they_were_issued(database: Database) -> None:
    times = [NOW + timedelta(seconds=one) for one in (5, 1, 1, 9)]
    made = [a_license(n, issue_time=at) for n, at in enumerate(times, start=1)]
    add(database, *made)
    order = [made[one].id for one in (1, 2, 0, 3)]

    def listed(*, newest_first: bool) -> list[str]:
        found: list[str] = []
        with database.reading() as session:
            while page := lists.issued_by_time(
                session,
                BUREAU,
                after=found[-1] if found else "",
                newest_first=newest_first,
                size=1,
            ):
                found += [one.id for one in page]
            assert not lists.issued_by_time(
                session, "departments/tax", after=order[0], newest_first=False, size=9
            )
        return found

    assert listed(newest_first=False) == order
    assert listed(newest_first=True) == order[::-1]


def test_names_kept_with_other_dots_are_found_after_the_migration(database: Database) -> None:
    one = a_license(holders=(a_person("阿卜杜．热"),))
    add(database, one)
    with database.engine.begin() as connection:  # as it was kept before
        row = sa.table("license_holder", sa.column("search_key"))
        connection.execute(sa.update(row).values(search_key="阿卜杜．热"))
        connection.execute(sa.text("DROP INDEX license_by_time"))
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '0013'"))
    _migrate_to(database, "0014")
    with database.reading() as session:
        for asked in ("阿卜杜.", "阿卜杜·热", "阿卜杜．热"):
            found = lists.issued_to(session, BUREAU, search_key(asked), after=None, size=9)
            assert [each.id for _, each in found] == [one.id]
