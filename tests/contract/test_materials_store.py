"""Handlings and collections on SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from licenses.materials import store
from licenses.materials.keeping import Keeping
from licenses.materials.model import (
    Collection,
    CollectionState,
    Comparison,
    Condition,
    Copy,
    Decision,
    Disposition,
    FieldSource,
    Filled,
    FormField,
    Handling,
    MaterialSource,
    Planned,
    Proof,
    Result,
    RuleOutcome,
)
from licenses.server import MIGRATIONS
from runtime.clock import FixedClock
from runtime.database import Database
from runtime.errors import FailedPrecondition
from tests.builders.licenses import BUREAU, NOW

ITEM = f"{BUREAU}/serviceItems/cg2017-27"
HANDLING = Handling(
    service_item=ITEM,
    fields=(
        FormField(
            code="name", display_name="姓名", required=True,
            sources=(FieldSource(license_type="licenseTypes/x", key="CZZT"),),
        ),
    ),
    filled_materials=("申请表",),
    proofs=(Proof(display_name="证明", disposition=Disposition.KEPT, legal_basis="《某法》"),),
    rule=(
        Condition(
            field="name", comparison=Comparison.ONE_OF, values=("甲",), reason="x", reason_zh="某"
        ),
    ),
    etag="1", version=1, put_time=NOW, put_by=f"{BUREAU}/systems/main",
)  # fmt: skip
PLANNED = Planned(
    display_name="材料", required=True, source=MaterialSource.OBTAINABLE_UNDER_GRANT,
    reason="GRANT_IN_FORCE", detail="x", detail_zh="某", grant="g", resource="r", item="name",
    items=("name",),
)  # fmt: skip
COLLECTION = Collection(
    id="a" * 24, service_item=ITEM, department=BUREAU, holder_index=b"\1" * 32,
    state=CollectionState.CONSENTED, plan=(PLANNED,), result=Result(), create_time=NOW,
    expire_time=NOW + timedelta(days=1), actor=f"{BUREAU}/systems/main",
)  # fmt: skip
RESULT = Result(
    form=(Filled(code="name", display_name="姓名", value="𠮷示例", source="resource", origin="r"),),
    copies=(Copy(material="材料", license="l", sha256="ab", media_type="application/ofd"),),
    asked=("照片",), decision=Decision.REFERRED,
    outcomes=(RuleOutcome(field="name", holds=False, reason="x", reason_zh="某"),),
    log_indices=(7,),
)  # fmt: skip


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    found = Database(database_url, schema="licenses")
    found.migrate(MIGRATIONS)
    yield found
    found.close()


def test_what_is_put_is_read_as_it_was(database: Database) -> None:
    second = replace(HANDLING, service_item=f"{BUREAU}/serviceItems/cg2017-28", rule=())
    with database.unit_of_work() as work:
        for one in (HANDLING, second):
            store.put_handling(work.session, one, BUREAU)
    later = replace(HANDLING, etag="2", version=2)
    with database.unit_of_work() as work:
        assert store.handling(work.session, ITEM, lock=True) == HANDLING
        store.put_handling(work.session, later, BUREAU)
    with database.reading() as session:
        assert store.handlings(session, BUREAU, after="", size=9) == [later, second]
        assert store.handlings(session, "", after=ITEM, size=9) == [second]
        assert store.handlings(session, "departments/x", after="", size=9) == []
        assert store.handlings_of(session, [ITEM, "none"]) == {ITEM: later}


def test_what_was_entered_is_kept_as_long_as_the_consent(database: Database) -> None:
    def entered(*, now: datetime) -> Mapping[str, str]:
        with database.unit_of_work() as work:
            store.drop_answers(work.session, now)
        with database.reading() as session:
            found = store.collection(session, COLLECTION.id)
            assert found is not None
            return found.entered

    with database.unit_of_work() as work:
        store.add_collection(work.session, COLLECTION)
        for phone in ("10012345670", "10012345678"):
            store.keep_entered(work.session, COLLECTION.id, {"phone": phone})
    assert entered(now=NOW) == {"phone": "10012345678"}
    assert "10012345678" not in repr(replace(COLLECTION, entered={"phone": "10012345678"}))
    assert entered(now=COLLECTION.expire_time) == {}
    with database.unit_of_work() as work:
        store.keep_entered(work.session, COLLECTION.id, {"phone": "10012345678"})
        assert store.move(work.session, COLLECTION.id, CollectionState.ENDED)
        store.keep_entered(work.session, COLLECTION.id, {"phone": "10012345678"})
    assert entered(now=NOW) == {}


def test_a_collection_is_collected_once(database: Database) -> None:
    with database.unit_of_work() as work:
        store.add_collection(work.session, COLLECTION)
    assert "示例" not in repr(RESULT)
    for expected in (True, False):
        with database.unit_of_work() as work:
            moved = store.move(
                work.session, COLLECTION.id, CollectionState.COLLECTED,
                plan=(PLANNED,), result=RESULT, at=NOW,
            )  # fmt: skip
            assert moved is expected
    with database.unit_of_work() as work:
        assert not store.move(work.session, COLLECTION.id, CollectionState.ENDED)
    with database.reading() as session:
        assert store.collection(session, COLLECTION.id) == replace(
            COLLECTION, state=CollectionState.COLLECTED, result=RESULT, collect_time=NOW
        )
        assert store.collection(session, "none") is None
        over = FixedClock(COLLECTION.expire_time)
        with pytest.raises(FailedPrecondition) as told:
            Keeping(database, None, None, str, over).check_open(COLLECTION)  # type: ignore[arg-type]
        assert told.value.reason == "CONSENT_ENDED"
