"""Terms, versions and reviews of grants on SQLite and PostgreSQL alike, with their clocks."""

from collections.abc import Iterator
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path

import orjson
import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext

from exchange.catalog import registering
from exchange.deadlines import service as deadlines
from exchange.deadlines.jurisdictions import Kind
from exchange.deadlines.model import DeadlineState
from exchange.grants import content, replying, requesting, service, store
from exchange.grants.amending import Narrowing
from exchange.grants.model import AccessRequestState, GrantedItem, Mask, Operation
from exchange.grants.rows import RowCondition, RowTest
from exchange.oversight import store as oversight_store
from runtime.clock import FixedClock
from runtime.database import Database, UtcDateTime, audit_outbox
from runtime.errors import DomainError, InvalidArgument, NotFound
from runtime.identity import Principal
from tests.builders import catalog as county
from tests.builders import grants as build
from tests.builders.catalog import ADMINISTRATOR, CIVIL, HEALTH, HOUSING, RESIDENTS, caller

DAY = timedelta(days=1)
HERE = RowCondition(item="region", test=RowTest.PREFIX, values=("9901",))
OWN = RowCondition(
    item="citizen_number", test=RowTest.OWN_CLIENTS, values=(f"{HOUSING}/resources/tenants",)
)
FAR = "departments/far"
ITEM = f"{HOUSING}/serviceItems/rental"


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(county.NOON)


@pytest.fixture
def database(database_url: str, clock: FixedClock) -> Iterator[Database]:
    database = Database(database_url, schema="exchange")
    database.migrate(county.MIGRATIONS)
    county.register(database, CIVIL, HOUSING, HEALTH, clock=clock)
    tenants = county.resource(OWN.values[0], code="401001/000009")
    county.put(
        database,
        county.resource(),
        county.unconditional(),
        county.service_item(),
        county.service_item(ITEM, code="000511002000"),
        tenants,
        clock=clock,
    )
    yield database
    database.close()


@pytest.fixture
def elsewhere(database: Database, clock: FixedClock) -> str:
    """A department of another region."""
    with database.unit_of_work() as work:
        registering.create_department(
            work,
            ADMINISTRATOR,
            department_id="far",
            display_name="某地某局",
            credit_code=county.credit_code(8),
            region_code="990201",
            clock=clock,
            office=county.OFFICE,
        )
    return FAR


def act(database: Database, use_case, who: Principal, **how):
    with database.unit_of_work() as work:
        return use_case(work, who, **how)


def records(database: Database) -> list[dict]:
    with database.reading() as session:
        rows = session.execute(sa.select(audit_outbox.c.leaf).order_by(audit_outbox.c.id))
        return [orjson.loads(row[0]) for row in rows]


def clock_of(database: Database, name: str, kind: str = Kind.REPLY_CONDITIONAL):
    with database.reading() as session:
        return deadlines.of_subjects(session, [name]).get((name, kind))


def narrow(database: Database, name: str, clock: FixedClock, who=None, **to):
    return act(
        database,
        service.narrow_grant,
        who or caller(CIVIL),
        name=name,
        to=Narrowing(**to),
        reason="用途缩小",
        etag="",
        clock=clock,
    )


@pytest.mark.parametrize("metadata", [store.GrantRow.metadata, oversight_store.METADATA])
def test_the_migration_makes_the_tables_that_the_store_declares(database: Database, metadata):
    names = {"access_request", "access_grant", "grant_version", "grant_epoch"}
    names = names if "access_grant" in metadata.tables else set(metadata.tables)
    with database.engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "include_name": lambda name, kind, _: kind != "table" or name in names,
                "include_object": lambda _o, name, kind, *_: kind != "table" or name in names,
            },
        )
        assert compare_metadata(context, metadata) == []


def test_all_terms_are_read_back_whole(database: Database, clock: FixedClock):
    asked = build.ask(
        database,
        clock=clock,
        operations=(Operation.QUERY, Operation.EXPORT),
        service_item=ITEM,
        row_filter=(HERE,),
    )
    consumer = caller(HOUSING)
    assert requesting.get_access_request(database, consumer, asked.name) == asked
    grant = build.approve(
        database,
        asked,
        clock=clock,
        row_filter=(HERE, OWN),
        reason="仅限本部门服务对象",
        rate_per_minute=30,
    )
    assert grant.row_filter == (HERE, OWN)
    assert (grant.service_item, grant.rate_per_minute, grant.version) == (ITEM, 30, 1)
    assert service.get_grant(database, consumer, grant.name) == grant
    (version,) = service.list_grant_versions(database, consumer, grant.name)
    assert version.grant == grant
    assert (version.act, version.actor) == ("granted", caller(CIVIL).system)
    assert version.until_time is None


@pytest.mark.parametrize(
    "asked",
    [
        {"service_item": f"{CIVIL}/serviceItems/none"},
        {"service_item": f"{CIVIL}/resources/residents"},
        {"row_filter": (RowCondition(item="region", test=RowTest.OWN_CLIENTS,
                                     values=(f"{HOUSING}/resources/none",)),)},
    ],
)  # fmt: skip
def test_what_is_named_is_in_the_catalog(database: Database, clock: FixedClock, asked):
    with pytest.raises(InvalidArgument):
        build.ask(database, clock=clock, **asked)


def test_every_version_is_kept(database: Database, clock: FixedClock):
    grant = build.approve(database, build.ask(database, clock=clock), clock=clock)
    clock.advance(DAY)
    less = narrow(database, grant.name, clock, items=(GrantedItem(item="name"),))
    clock.advance(DAY)
    asked = build.ask(database, clock=clock, amends=grant.name)
    more = build.approve(database, asked, clock=clock, daily_quota=9)
    assert more.name == grant.name
    assert (more.version, more.access_request, more.daily_quota) == (3, asked.name, 9)
    clock.advance(DAY)
    ended = act(
        database, service.revoke_grant, caller(CIVIL), name=grant.name, reason="完", clock=clock
    )
    assert service.get_grant(database, caller(HOUSING), grant.name) == ended
    found = service.list_grant_versions(database, caller(HOUSING), grant.name)
    assert [(one.grant.version, one.act) for one in found] == [
        (3, "amended"), (2, "narrowed"), (1, "granted")
    ]  # fmt: skip
    assert [one.grant for one in found] == [more, less, grant]
    for later, sooner in pairwise(found):
        assert sooner.until_time == later.from_time
    assert found[0].until_time == ended.revoke_time
    assert len({one.grant.contract_hash for one in found}) == 3
    second = service.grant_version(database, caller(HOUSING), grant.name, 2)
    assert second == less
    with pytest.raises(NotFound):
        service.grant_version(database, caller(HOUSING), grant.name, 4)
    with pytest.raises(NotFound):
        service.list_grant_versions(database, caller(HEALTH), grant.name)
    with database.reading() as session:
        at = county.NOON + DAY * 1.5
        (then,) = store.versions_at(session, RESIDENTS, at, after="", limit=9)
        assert then.grant == less
        assert store.versions_at(session, RESIDENTS, clock.now(), after="", limit=9) == []
        assert store.versions_at(session, RESIDENTS, county.NOON - DAY, after="", limit=9) == []


def test_a_later_version_starts_no_clock_of_a_supply(database: Database, clock: FixedClock):
    kind = Kind.SUPPLY_AFTER_CONSENT
    grant = build.approve(database, build.ask(database, clock=clock), clock=clock)
    began = clock_of(database, grant.name, kind)
    clock.advance(DAY)
    asked = build.ask(database, clock=clock, amends=grant.name)
    build.approve(database, asked, clock=clock)
    assert clock_of(database, grant.name, kind) == began
    at_once = build.ask(
        database, clock=clock, resource=county.unconditional().name, items=("region",)
    )
    assert clock_of(database, at_once.grant, kind) is None


def test_an_unconditional_resource_is_amended_at_once(database: Database, clock: FixedClock):
    regions = county.unconditional().name
    first = build.ask(database, clock=clock, resource=regions, items=("region",))
    again = build.ask(
        database,
        clock=clock,
        resource=regions,
        items=("region", "region_name"),
        amends=first.grant,
    )
    assert again.grant == first.grant
    grant = service.get_grant(database, caller(HOUSING), first.grant)
    assert (grant.version, len(grant.items), grant.earlier) == (2, 2, ())


def test_an_amendment_of_what_ended_meanwhile_is_refused(database: Database, clock: FixedClock):
    grant = build.approve(database, build.ask(database, clock=clock), clock=clock)
    asked = build.ask(database, clock=clock, amends=grant.name)
    act(database, service.revoke_grant, caller(CIVIL), name=grant.name, reason="完", clock=clock)
    with pytest.raises(DomainError) as refused:
        build.approve(database, asked, clock=clock)
    assert refused.value.reason == "GRANT_ALREADY_REVOKED"
    with pytest.raises(DomainError) as refused:
        build.ask(database, clock=clock, amends=grant.name)
    assert refused.value.reason == "GRANT_ALREADY_REVOKED"


def test_the_clock_of_a_reply_stands_while_the_request_is_returned(
    database: Database, clock: FixedClock
):
    asked = build.ask(database, clock=clock)
    assert asked.reply_due == "2026-03-16"  # ten working days from Monday the 2nd
    clock.advance(2 * DAY)
    returned = act(
        database,
        replying.return_access_request,
        caller(CIVIL),
        name=asked.name,
        note="请补充依据原文",
        clock=clock,
    )
    assert returned.state is AccessRequestState.RETURNED
    held = clock_of(database, asked.name)
    assert (held.state, held.due) == (DeadlineState.PAUSED, None)
    read = requesting.get_access_request(database, caller(HOUSING), asked.name)
    assert (read.review_note, read.reply_due) == ("请补充依据原文", "")
    clock.advance(7 * DAY)
    again = act(
        database,
        requesting.resubmit_access_request,
        caller(HOUSING),
        content=read,
        clock=clock,
    )
    assert again.state is AccessRequestState.PENDING
    assert clock_of(database, asked.name).due > date(2026, 3, 16)
    build.approve(database, again, clock=clock)
    assert clock_of(database, asked.name).state is DeadlineState.MET
    kinds = [leaf["kind"] for leaf in records(database)]
    assert [kind for kind in kinds if kind.startswith("access")] == [
        "access_requested", "access_returned", "access_resubmitted", "access_approved"
    ]  # fmt: skip


@pytest.mark.parametrize("by_hand", ["pause", "resume"])
def test_a_clock_that_people_have_stopped_or_set_going_keeps_no_request_from_its_way(
    database: Database, clock: FixedClock, by_hand: str
):
    asked = build.ask(database, clock=clock)
    how = {"subject": asked.name, "kind": Kind.REPLY_CONDITIONAL, "actor": "test"}
    with database.unit_of_work() as work:
        if by_hand == "pause":
            deadlines.pause(work, reason="停", at=clock.now(), **how)
        replying.return_access_request(
            work, caller(CIVIL), name=asked.name, note="请补充", clock=clock
        )
        if by_hand == "resume":
            deadlines.resume(work, at=clock.now(), **how)
        requesting.resubmit_access_request(work, caller(HOUSING), content=asked, clock=clock)
    assert clock_of(database, asked.name).state is DeadlineState.RUNNING


def test_a_late_answer_is_late(database: Database, clock: FixedClock):
    asked = build.ask(database, clock=clock)
    clock.advance(30 * DAY)
    build.approve(database, asked, clock=clock)
    assert clock_of(database, asked.name).state is DeadlineState.LATE


def test_a_withdrawn_request_owes_nothing(database: Database, clock: FixedClock):
    asked = build.ask(database, clock=clock)
    gone = act(
        database,
        requesting.withdraw_access_request,
        caller(HOUSING),
        name=asked.name,
        clock=clock,
    )
    assert gone.state is AccessRequestState.WITHDRAWN
    assert clock_of(database, asked.name).state is DeadlineState.CANCELLED
    with pytest.raises(DomainError) as refused:
        build.approve(database, asked, clock=clock)
    assert refused.value.reason == "REQUEST_WITHDRAWN"


def test_across_regions_the_authority_has_to_agree(
    database: Database, clock: FixedClock, elsewhere: str
):
    asked = build.ask(database, clock=clock, consumer=elsewhere)
    assert (asked.cross_region, asked.needs_review) == (True, True)
    how = {
        "name": asked.name,
        "items": [GrantedItem(item="name", mask=Mask.FIRST_CHARACTER)],
        "operations": [],
        "daily_quota": 3,
        "start_time": None,
        "end_time": clock.now() + 30 * DAY,
        "row_filter": (HERE,),
        "reason": "仅限示范县户籍人员",
        "clock": clock,
    }
    proposed, grant = act(database, replying.approve_access_request, caller(CIVIL), **how)
    assert (proposed.state, grant) == (AccessRequestState.AWAITING_AUTHORITY, None)
    assert clock_of(database, asked.name).state is DeadlineState.MET
    read = requesting.get_access_request(database, caller(elsewhere), asked.name)
    assert read.proposal == proposed.proposal
    clock.advance(DAY)
    _, grant = act(
        database,
        replying.endorse_access_request,
        ADMINISTRATOR,
        name=asked.name,
        clock=clock,
    )
    assert (grant.daily_quota, grant.row_filter) == (3, (HERE,))
    assert service.get_grant(database, caller(elsewhere), grant.name) == grant
    kinds = [leaf["kind"] for leaf in records(database)]
    assert kinds.count("access_proposed") == kinds.count("access_approved") == 1


def test_across_regions_what_is_unconditional_is_granted_at_once(
    database: Database, clock: FixedClock, elsewhere: str
):
    asked = build.ask(
        database,
        clock=clock,
        consumer=elsewhere,
        resource=county.unconditional().name,
        items=("region",),
    )
    assert asked.state is AccessRequestState.APPROVED
    assert not asked.needs_review


def test_who_is_not_registered_is_taken_for_far_away(database: Database, clock: FixedClock):
    asked = build.ask(database, clock=clock, consumer="departments/unknown")
    assert asked.needs_review


def test_grants_from_before_there_were_versions_have_one(
    database_url: str, clock: FixedClock, tmp_path: Path
):
    database = Database(database_url, schema="exchange")
    try:
        _upgrade(database, "0003")
        with database.unit_of_work() as work:
            for name, ended in (("a" * 16, None), ("b" * 16, clock.now() + DAY)):
                grant = build.grant(
                    name=f"{HOUSING}/grants/{name}",
                    access_request=f"{HOUSING}/accessRequests/{name}",
                )
                values = {
                    "name": grant.name,
                    "consumer": HOUSING,
                    "source": CIVIL,
                    "resource": RESIDENTS,
                    "items": content.dumped(content.items(grant.items)),
                    "operations": '["query","verify"]',
                    "purpose": grant.purpose,
                    "legal_basis": grant.legal_basis,
                    "daily_quota": grant.daily_quota,
                    "start_time": grant.start_time,
                    "end_time": grant.end_time,
                    "state": "revoked" if ended else "active",
                    "revoke_time": ended,
                    "revoke_reason": "已办结" if ended else "",
                    "contract_hash": grant.contract_hash,
                    "access_request": grant.access_request,
                    "create_time": grant.create_time,
                    "epoch": 1,
                }
                old = sa.table("access_grant", *(_column(key) for key in values))
                work.session.execute(old.insert().values(**values))
        _publish_before(database)
        database.migrate(county.MIGRATIONS)
        for name, ended in (("a" * 16, None), ("b" * 16, clock.now() + DAY)):
            full = f"{HOUSING}/grants/{name}"
            (version,) = service.list_grant_versions(database, ADMINISTRATOR, full)
            held = service.get_grant(database, ADMINISTRATOR, full)
            assert version.grant.items == held.items
            assert version.grant.contract_hash == held.contract_hash
            assert version.grant.end_time == held.end_time
            assert (version.from_time, version.until_time) == (county.NOON, ended)
            assert version.grant.state.value == "active"
            # Of what was published by then it shows what is held, as grants made since do.
            assert (held.history_from, held.include_history) == (6, False)
        rows = database.held.rows('SELECT previous FROM change ORDER BY "offset"', ())
        assert [row[0] for row in rows] == [0, 0, 1, 3, 4, 0]
    finally:
        database.close()


def _column(key: str) -> sa.ColumnClause:
    return sa.column(key, UtcDateTime() if key.endswith("_time") else None)


def _upgrade(database: Database, revision: str) -> None:
    if not database.is_sqlite:
        with database.engine.begin() as connection:
            connection.execute(sa.text("CREATE SCHEMA IF NOT EXISTS exchange"))
    config = Config()
    config.set_main_option("script_location", str(county.MIGRATIONS))
    with database.engine.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        connection.commit()


def _publish_before(database: Database) -> None:
    """Changes as they were written before: a, b, a again, a withdrawn, a back; another's a."""
    batches = [(1, RESIDENTS, 1, 5), (2, f"{HOUSING}/resources/tenants", 6, 6)]
    changes = [("a", "1"), ("b", "1"), ("a", "2"), ("a", None), ("a", "3"), ("a", "1")]
    with database.unit_of_work() as work:
        for number, resource, first, last in batches:
            work.session.execute(
                sa.text(
                    "INSERT INTO batch (number, resource, publisher, published_at, first_offset,"
                    " last_offset, upserted, withdrawn, unchanged, digest) VALUES (:n, :r, 'p',"
                    " :t, :f, :l, 1, 0, 0, :d)"
                ).bindparams(sa.bindparam("t", county.NOON.replace(tzinfo=None))),
                {"n": number, "r": resource, "f": first, "l": last, "d": b"d"},
            )
        for offset, (key, payload) in enumerate(changes, 1):
            work.session.execute(
                sa.text(
                    'INSERT INTO change ("offset", batch, record_key, payload)'
                    " VALUES (:o, :b, :k, :p)"
                ),
                {"o": offset, "b": 1 if offset < 6 else 2, "k": key, "p": payload},
            )
