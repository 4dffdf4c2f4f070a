"""Whatever was granted and told: a notice names no item, record or key that was not shown."""

from dataclasses import replace
from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from exchange.corrections.model import Version
from exchange.corrections.receiving import BY_KEY, DELIVERED, SLACK, Told
from exchange.corrections.tracing import Judging
from exchange.grants.model import Earlier, Grant, GrantedItem, Mask, Operation
from exchange.grants.rows import RowCondition, RowTest, shows
from tests.builders.catalog import HOUSING, NOON, RESIDENTS
from tests.builders.corrections import correction, version

CODES = ("citizen_number", "name", "birth_date", "region")
REGIONS = ("990101", "990102")
MINUTE = timedelta(minutes=1)

items = st.lists(st.sampled_from(CODES), unique=True).flatmap(
    lambda codes: st.tuples(
        *(st.builds(GrantedItem, item=st.just(c), mask=st.sampled_from(Mask)) for c in codes)
    )
)
filters = st.sampled_from(
    [()]
    + [(RowCondition(item="region", test=RowTest.EQUALS, values=(one,)),) for one in REGIONS]
    + [(RowCondition(item="absent", test=RowTest.EQUALS, values=("x",)),)]
)
earlier = st.lists(
    st.builds(
        Earlier,
        until_offset=st.integers(0, 12),
        items=items,
        row_filter=filters,
        formerly=filters,
    ),
    max_size=2,
).map(lambda these: tuple(sorted(these, key=lambda one: one.until_offset)))
grants = st.builds(
    Grant,
    name=st.just(f"{HOUSING}/grants/one"),
    resource=st.just(RESIDENTS),
    items=items,
    operations=st.just((Operation.QUERY,)),
    purpose=st.just("用途"),
    legal_basis=st.just("第一条"),
    start_time=st.just(NOON),
    end_time=st.just(NOON + timedelta(days=1)),
    access_request=st.just(f"{HOUSING}/accessRequests/one"),
    create_time=st.just(NOON),
    row_filter=filters,
    earlier=earlier,
)
values = st.dictionaries(st.sampled_from(CODES), st.sampled_from(REGIONS), min_size=1) | st.just(
    {"name": "某甲", "region": "990101"}
)
versions = st.lists(values | st.none(), min_size=1, max_size=4).map(
    lambda those: [version(n * 3, held) for n, held in enumerate(those, 1)]
)


@st.composite
def told(draw, known: Grant) -> Told:
    kind = draw(st.sampled_from([*sorted(BY_KEY), "export", "spatial_query", DELIVERED]))
    first = draw(st.integers(0, 13))
    asked = draw(st.lists(st.sampled_from(CODES), unique=True))
    return Told(
        index=0,
        time=NOON + draw(st.integers(-10, 20)) * MINUTE,
        kind=kind,
        resource=draw(st.sampled_from([RESIDENTS, RESIDENTS + "-other"])),
        grant=known.name,
        contract=draw(st.sampled_from([known.contract_hash, "unknown"])),
        items=tuple(asked),
        found=draw(st.sampled_from([True, False])) if kind == "query" else None,
        subscription=f"{HOUSING}/subscriptions/one" if kind == DELIVERED else "",
        read_time=draw(st.none() | st.just(NOON + 5 * MINUTE)) if kind == "query" else None,
        first_offset=first,
        last_offset=first + draw(st.integers(0, 6)),
        read_offset=draw(st.integers(0, 13)) if kind == "export" else 0,
        by_endpoint=draw(st.sampled_from([False, False, True])),
    )


def held_then(leaf: Told, wrong: list[Version], begins: list[datetime]) -> list[Version]:
    """The versions that a leaf may have told of, one by one."""
    if leaf.kind == DELIVERED:
        return [v for v in wrong if leaf.first_offset <= v.offset <= leaf.last_offset]
    if leaf.read_offset:
        return [v for v in wrong if v.offset <= leaf.read_offset][-1:]
    at, slack = leaf.read_time or leaf.time, timedelta() if leaf.read_time else SLACK
    ends = [*begins[1:], NOON + 10 * MINUTE]
    return [
        v for v, begin, end in zip(wrong, begins, ends, strict=True)
        if begin - slack <= at <= end + slack
    ]  # fmt: skip


@given(st.data())
def test_no_notice_tells_of_what_was_not_granted(data):
    then, now = data.draw(grants), data.draw(grants)
    wrong = data.draw(versions)
    leaf = data.draw(told(then))
    known = {one.offset: one for one in wrong}
    begins = [NOON + n * 2 * MINUTE for n in range(len(wrong))]
    accepted = tuple(data.draw(st.lists(st.sampled_from(CODES), min_size=1, unique=True)))
    judging = Judging(
        held=replace(
            correction(),
            accepted_items=accepted,
            wrong=tuple(one.offset for one in wrong),
            corrected=wrong[-1].offset + 1,
        ),
        offsets=list(known),
        begins=begins,
        end=NOON + 10 * MINUTE,
        version=known.get,
        key_item="citizen_number",
        terms=lambda _: {then.contract_hash: then, "": now},
        holds=lambda *_: False,
    )
    shown, key_known = judging.shown(leaf)
    assert shown <= set(accepted) & set(leaf.items)
    if not shown:
        return
    assert leaf.resource == RESIDENTS
    assert leaf.found is not False
    assert not leaf.by_endpoint
    terms = then if leaf.contract == then.contract_hash else now
    seen = [v for v in held_then(leaf, wrong, begins) if v.values is not None]
    views = [terms.view_at(v.offset) for v in seen]
    assert shown <= set().union(*(view.masks for view in views))
    if leaf.kind in ("batch_query", "verify", DELIVERED):
        assert any(
            shows(view.row_filter, v.values or {}, lambda *_: False)
            for view, v in zip(views, seen, strict=True)
        )
    if leaf.kind == "verify":
        assert shown <= set().union(*(v.values or {} for v in seen))
    if key_known and leaf.kind not in BY_KEY:
        assert "citizen_number" in leaf.items
        assert any(view.masks.get("citizen_number") is Mask.WHOLE for view in views)
    if leaf.read_offset:
        assert wrong[0].offset <= leaf.read_offset <= wrong[-1].offset
    elif leaf.kind != DELIVERED and leaf.read_time is None:
        assert NOON - SLACK <= leaf.time <= NOON + 10 * MINUTE + SLACK
