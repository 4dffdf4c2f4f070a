"""What is over is forgotten in its time: consents, collected forms, the bytes of copies."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlmodel import select

from licenses import store as licenses
from licenses.archiving import store as archives
from licenses.archiving.model import Archive, Retention
from licenses.copies import store as copies
from licenses.copies.keeping import KeptCopies
from licenses.copies.model import EndorsedCopy, Wish
from licenses.copies.service import Copies, place_of
from licenses.delegations.store import DelegationRow
from licenses.materials import store
from licenses.materials.keeping import Keeping
from licenses.materials.looks import store as looks
from licenses.materials.model import Collection, CollectionState, Look, Result
from licenses.model import License, LicenseFormat
from licenses.server import MIGRATIONS
from runtime.clock import FixedClock
from runtime.database import Database
from runtime.errors import FailedPrecondition, InvalidArgument
from runtime.identity import Principal
from runtime.objects import FileStore
from tests.builders.licenses import BUREAU, NOW, a_license

DAY = timedelta(days=1)
COLLECTION = Collection(
    id="a" * 24, service_item=f"{BUREAU}/serviceItems/cg2017-27", department=BUREAU,
    holder_index=b"\1" * 32, state=CollectionState.CONSENTED, plan=(), result=Result(),
    create_time=NOW, expire_time=NOW + DAY, actor=f"{BUREAU}/systems/main",
)  # fmt: skip
COPY = EndorsedCopy(
    id="c" * 24, license_id="0" * 24, form=LicenseFormat.OFD, sha256="", original_sha256="0" * 64,
    purpose="办理", receiver="示范单位", maker="示范县", valid_to=NOW.date() + 10 * DAY,
    make_time=NOW,
)  # fmt: skip
PRINCIPAL = Principal(
    system=f"{BUREAU}/systems/main", department=BUREAU, roles=frozenset(), serial=1
)  # fmt: skip


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    found = Database(database_url, schema="licenses")
    found.migrate(MIGRATIONS)
    yield found
    found.close()


def add(database: Database, letter: str, state: CollectionState) -> str:
    with database.unit_of_work() as work:
        store.add_collection(work.session, replace(COLLECTION, id=letter * 24))
        if state is not CollectionState.CONSENTED:
            store.move(work.session, letter * 24, state, result=Result(), at=NOW)
    return letter * 24


def copied(database: Database, objects: FileStore, letter: str, **changes: object) -> str:
    copy = replace(COPY, id=letter * 24, **changes)  # type: ignore[arg-type]
    with database.unit_of_work() as work:
        copies.add(work.session, copy, actor="x", request_id=letter, request_digest=letter.encode())
        copies.made(work.session, copy.id, letter * 64)
    objects.put(place_of(letter * 64, copy.form), b"x")
    return letter * 64


def left(database: Database) -> set[str]:
    with database.reading() as session:
        return {one for one in "abcd" if store.collection(session, one * 24) is not None}


def test_collections_are_forgotten_in_their_time(database: Database) -> None:
    add(database, "a", CollectionState.CONSENTED)
    add(database, "b", CollectionState.ENDED)
    archived = add(database, "c", CollectionState.COLLECTED)
    add(database, "d", CollectionState.COLLECTED)

    def sweep(at: datetime) -> int:
        keeping = Keeping(database, None, None, str, FixedClock(at))  # type: ignore[arg-type]
        found = keeping.sweep(lambda asked: {archived} & set(asked))
        assert keeping.sweep(set) == 0  # hourly
        return found

    assert sweep(NOW + 30 * DAY) == 0
    assert sweep(NOW + 31 * DAY + timedelta(seconds=1)) == 3
    assert left(database) == {"d"}
    assert sweep(NOW + 366 * DAY) == 0
    assert sweep(NOW + 367 * DAY) == 1
    assert left(database) == set()


def test_an_archive_counts_a_month_after_it_was_made(database: Database) -> None:
    made = Archive(
        id="1" * 24, department=BUREAU, subject=f"collections/{'c' * 24}", object_name="x",
        sha256="0" * 64, size=1, retention=Retention.YEARS_10, retain_until=None,
        locked_by="write_once", archive_time=NOW, actor="x",
    )  # fmt: skip
    with database.unit_of_work() as work:
        archives.add_archive(work.session, made)
    asked = [made.subject, f"collections/{'d' * 24}"]
    with database.reading() as session:
        assert archives.archived(session, asked, NOW) == set()
        assert archives.archived(session, asked, NOW + DAY) == {made.subject}


def test_bytes_of_copies_go_when_they_serve_nobody(database: Database, tmp_path: Path) -> None:
    objects = FileStore(tmp_path)
    case = add(database, "a", CollectionState.COLLECTED)
    with database.unit_of_work() as work:
        work.session.add(
            DelegationRow(
                id="e" * 24,
                grantor_code="x",
                grantor_index=b"",
                agent_name="x",
                agent_code="x",
                agent_index=b"",
                licenses="[]",
                forms='["copy"]',
                purpose="x",
                create_time=NOW,
                expire_time=NOW + 99 * DAY,
                end_time=NOW + DAY,
                actor="x",
            )
        )
    later = NOW.date() + 90 * DAY
    past = copied(database, objects, "1")
    ended = copied(database, objects, "2", valid_to=later, end_time=NOW + DAY)
    under = copied(database, objects, "3", valid_to=later, delegation="e" * 24)
    good = copied(database, objects, "4", valid_to=later)
    kept = copied(database, objects, "5", collection=case)

    def there(at: datetime) -> set[str]:
        KeptCopies(database, objects, None, FixedClock(at)).sweep()  # type: ignore[arg-type]
        return {
            one for one in (past, ended, under, good, kept)
            if objects.exists(place_of(one, LicenseFormat.OFD))
        }  # fmt: skip

    assert there(NOW + 30 * DAY) == {past, ended, under, good, kept}
    assert there(NOW + 35 * DAY) == {past, good, kept}
    assert there(NOW + 42 * DAY) == {good, kept}
    with database.reading() as session:
        row = copies.of_bytes(session, past)
    assert row is not None
    assert row.swept  # that it was made is known, and that it is over
    # With its case go its copies.
    Keeping(database, None, None, str, FixedClock(NOW + 400 * DAY)).sweep(set)  # type: ignore[arg-type]
    assert there(NOW + 400 * DAY) == set()


def test_a_consent_that_is_withdrawn_ends_its_copies(database: Database, tmp_path: Path) -> None:
    case = add(database, "a", CollectionState.CONSENTED)
    sha256 = copied(database, FileStore(tmp_path), "1", collection=case)
    with database.unit_of_work() as work:
        copies.end_of_collections(work.session, [case], NOW)
        found = copies.of_bytes(work.session, sha256)
    assert found is not None
    assert not found.is_open(NOW)


class Withdrawn(Copies):
    """Copies whose collection ends while one is drawn."""

    case = ""

    def _drawn_and_sealed(self, copy: EndorsedCopy, license_: License) -> bytes:
        with self._database.unit_of_work() as work:
            assert store.move(work.session, self.case, CollectionState.ENDED)
            copies.end_of_collections(work.session, [self.case], NOW)
        return b"x"


def test_no_copy_becomes_good_after_its_consent_ended(database: Database, tmp_path: Path) -> None:
    clock = FixedClock(NOW)
    keeping = Keeping(database, None, None, str, clock)  # type: ignore[arg-type]
    making = Withdrawn(database, FileStore(tmp_path), None, None, None, clock)  # type: ignore[arg-type]
    making.case = add(database, "a", CollectionState.CONSENTED)
    held = a_license()
    with database.unit_of_work() as work:
        licenses.add_license(
            work.session, held, index=str.encode, request_id="1", request_digest=b"1"
        )
    wish = Wish(
        form=LicenseFormat.OFD, purpose="办理", receiver="示范单位", receiver_department=BUREAU,
        valid_to=NOW.date() + DAY, collection=making.case,
    )  # fmt: skip

    def share(request_id: str) -> str:
        with pytest.raises(FailedPrecondition) as told:
            making.share(
                held.name, wish, request_id=request_id, request_digest=b"1",
                principal=PRINCIPAL,
                still=lambda session: keeping.check_still_open(session, making.case),
            )  # fmt: skip
        return told.value.reason

    assert share("while-drawn") == "CONSENT_ENDED"
    assert share("afterwards") == "CONSENT_ENDED"
    with database.reading() as session:
        rows = session.exec(select(copies.CopyRow)).all()
    assert [(one.sha256, one.end_time) for one in rows] == [("", NOW)]


def test_copies_end_where_the_consent_ran_out(database: Database, tmp_path: Path) -> None:
    objects = FileStore(tmp_path)
    gone = copied(
        database, objects, "1", collection=add(database, "a", CollectionState.CONSENTED)
    )  # fmt: skip
    kept = copied(
        database, objects, "2", collection=add(database, "b", CollectionState.COLLECTED)
    )  # fmt: skip
    Keeping(database, None, None, str, FixedClock(NOW + DAY)).run_out()  # type: ignore[arg-type]
    with database.reading() as session:
        found = [copies.of_bytes(session, one) for one in (gone, kept)]
    assert [one.is_open(NOW + DAY) for one in found if one is not None] == [False, True]


def test_nobody_reads_what_was_entered_once_the_consent_is_over(database: Database) -> None:
    name = f"collections/{add(database, 'a', CollectionState.CONSENTED)}"
    with database.unit_of_work() as work:
        store.keep_entered(work.session, "a" * 24, {"phone": "10012345678"})

    def read(at: datetime) -> dict[str, str]:
        keeping = Keeping(database, None, None, str, FixedClock(at))  # type: ignore[arg-type]
        return dict(keeping.get(name, PRINCIPAL).entered)

    # Before anything was swept.
    assert (len(read(NOW)), read(NOW + DAY)) == (1, {})


def test_looks_and_answers_are_kept_as_long_as_they_serve(database: Database) -> None:
    case = add(database, "a", CollectionState.CONSENTED)
    keeping = Keeping(database, None, None, str, FixedClock(NOW + DAY))  # type: ignore[arg-type]
    name = f"collections/{case}"
    keeping.keep_answers(name, "x", {"g": b"1"})
    assert keeping.answered(name, "x") == {"g": b"1"}
    assert keeping.answered(name, "another") == {}
    for reason, left in (("BAD_ENTRY", {"g": b"1"}), ("ENTRIES_MISSING", {"h": b"2"})):
        with pytest.raises(InvalidArgument), keeping.trying(name, "x", {"h": b"2"}):
            raise InvalidArgument("the form is not whole", reason=reason)
        assert keeping.answered(name, "x") == left
    assert keeping.answered(name, "x", but={"h"}) == {}
    seen = [Look(time=NOW, system=one, kind="collection_read", purpose="办理") for one in "xy"]
    with database.unit_of_work() as work:
        for one in seen:
            looks.add(work.session, case, one)
    held = replace(COLLECTION, id=case)
    assert keeping.looks(held) == seen[::-1]
    keeping.sweep(set)  # the consent is over
    assert keeping.answered(name, "x") == {}
    assert keeping.looks(held) == seen[::-1]
    Keeping(database, None, None, str, FixedClock(NOW + 32 * DAY)).sweep(set)  # type: ignore[arg-type]
    assert keeping.looks(held) == []
