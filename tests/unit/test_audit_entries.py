"""A record about many people opens to each of them alone, and to nobody else."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.audit.entries import (
    Entry,
    check_asked,
    check_entry,
    entry_of,
    has_entries,
    is_root_of,
)
from exchange.audit.many import record_of_many
from exchange.audit.merkle import ProofError
from exchange.audit.note import NoteError
from exchange.audit.proved import ProvenLeaf
from exchange.audit.told import ToldAccess, ToldAccesses, accesses_from_json, accesses_to_json
from exchange.audit.verify_told import verify_accesses
from runtime.records import SealedRecord, salt_fits

NOON = datetime(2026, 11, 2, 4, 0, tzinfo=UTC)
KEYS = [f"99010119710907{number:04d}" for number in range(11)]
ASKED = {"purpose": "就业登记", "case_number": "2026-1"}


def record(keys: list[str] = KEYS) -> SealedRecord:
    return record_of_many(
        "batch_query",
        at=NOON,
        actor="departments/housing/systems/desk",
        keys=keys,
        facts={"count": len(keys)},
        commitments={"keys": orjson.dumps(keys), **{k: v.encode() for k, v in ASKED.items()}},
    )


def entry(made: SealedRecord, key: str) -> Entry:
    found = entry_of(made.salt, made.entries, key)
    assert found is not None
    return found


@given(st.integers(1, 40))
def test_each_of_many_opens_alone(count: int) -> None:
    keys = [f"key-{number}" for number in range(count)]
    made = record(keys)
    leaf = orjson.loads(made.leaf)
    assert leaf["v"] == 2
    assert salt_fits(made.leaf, made.salt)
    assert is_root_of(leaf, made.entries)
    entries = [entry(made, key) for key in keys]
    for one, key in zip(entries, keys, strict=True):
        check_entry(leaf, one, key)
        for label, value in ASKED.items():
            check_asked(leaf, one, label, value)
    # What one of them was handed opens no other, and is not the record's own salt.
    assert len({one.salt for one in entries}) == count
    assert len({one.asked_salt for one in entries}) == 1
    assert made.salt not in {one.salt for one in entries} | {entries[0].asked_salt}
    assert entry_of(made.salt, made.entries, "key-") is None


def wrong(leaf: dict[str, object], one: Entry, key: str) -> None:
    with pytest.raises((NoteError, ProofError)):
        check_entry(leaf, one, key)


def test_what_is_not_so_opens_nothing() -> None:
    made = record()
    leaf, one = orjson.loads(made.leaf), entry(made, KEYS[5])
    wrong(leaf, one, KEYS[6])
    wrong(leaf, replace(one, salt=entry(made, KEYS[6]).salt), KEYS[5])
    wrong(leaf, replace(one, position=4), KEYS[5])
    wrong(leaf, replace(one, position=-1), KEYS[5])
    wrong(leaf, replace(one, path=one.path[:-1]), KEYS[5])
    wrong(leaf, replace(one, path=(*one.path[:-1], b"short")), KEYS[5])
    for said in (None, [], {}, {"root": "zz", "size": 11}, {"root": leaf["entries"]["root"]},
                 {**leaf["entries"], "size": "11"}, {**leaf["entries"], "size": 3}):  # fmt: skip
        wrong({**leaf, "entries": said}, one, KEYS[5])
    with pytest.raises(NoteError):
        check_asked(leaf, one, "purpose", "核实身份")
    for label in ("root", "size", "keys"):
        with pytest.raises(NoteError):
            check_asked(leaf, one, label, str(leaf["entries"].get(label)))
    assert not is_root_of(leaf, made.entries[32:])
    assert not is_root_of({}, made.entries)


def test_a_record_about_nobody_is_as_others() -> None:
    made = record([])
    assert not made.entries
    assert not has_entries(orjson.loads(made.leaf))
    assert orjson.loads(made.leaf)["v"] == 1


def told(made: SealedRecord, one: Entry | None, key: str = KEYS[3]) -> ToldAccesses:
    proven = ProvenLeaf(index=7, leaf=made.leaf, proof="no proof")
    return ToldAccesses(key=key, accesses=(ToldAccess(proven=proven, salt=b"", entry=one),))


def outcome(saved: ToldAccesses, name: str, openings: dict[str, str] | None = None) -> str:
    answer = verify_accesses(
        accesses_from_json(accesses_to_json(saved)), "not a key", openings=openings
    )
    (found,) = (one for one in answer.checks if one.name == name)
    return found.outcome.value


def test_who_takes_it_away_shows_that_it_is_about_them_too() -> None:
    made = record()
    mine = told(made, entry(made, KEYS[3]))
    assert outcome(mine, "entry:7") == "PASSED"
    assert outcome(replace(mine, key=KEYS[4]), "entry:7") == "FAILED"
    assert outcome(told(made, None), "entry:7") == "INDETERMINATE"
    for label, value in ASKED.items():
        assert outcome(mine, f"opening:{label}", {label: value}) == "PASSED"
        assert outcome(mine, f"opening:{label}", {label: "other"}) == "FAILED"
    # One of before has no entries: an entry beside it shows nothing.
    before = record([])
    assert outcome(told(before, entry(made, KEYS[3])), "entry:7") == "FAILED"


def test_a_file_has_one_form() -> None:
    made = record()
    text = accesses_to_json(told(made, entry(made, KEYS[3])))
    for harmed in (
        text.replace('"position": 3', '"position": 3.0'),
        text.replace('"position": 3', '"position": true'),
        text.replace('"asked_salt"', '"asked"'),
        text.replace('"entry"', '"entries"'),
    ):
        assert harmed != text
        with pytest.raises(NoteError):
            accesses_from_json(harmed)
