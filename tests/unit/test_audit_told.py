"""The file that an applicant takes away: one form, and nothing in it is believed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from exchange.audit.note import NoteError
from exchange.audit.proved import ProvenLeaf
from exchange.audit.told import (
    GREATEST_ACCESSES,
    ToldAccess,
    ToldAccesses,
    accesses_from_json,
    accesses_to_json,
    is_accesses,
)
from exchange.audit.verify_told import verify_accesses
from runtime.records import canonical, commit

KEY, SALT = "990101197109070014", bytes(range(32))


def access(index: int, *, salt: bytes = SALT, key: str = KEY) -> ToldAccess:
    commitments = {"key": commit(salt, "key", key.encode())} if salt else {"keys": "00"}
    leaf = canonical({"kind": "query", "commitments": commitments})
    return ToldAccess(proven=ProvenLeaf(index=index, leaf=leaf, proof="no proof"), salt=salt)


TOLD = ToldAccesses(key=KEY, accesses=(access(9), access(4, salt=b"")))


def test_what_is_written_is_read_again():
    text = accesses_to_json(TOLD)
    assert is_accesses(text)
    assert accesses_from_json(text) == TOLD
    assert not is_accesses("{")
    assert accesses_from_json(accesses_to_json(TOLD).removesuffix("\n")) == TOLD


@pytest.mark.parametrize(
    "text",
    [
        accesses_to_json(TOLD).replace("\n", "\r\n"),
        accesses_to_json(TOLD).replace('"index": 9', '"index": 9.0'),
        accesses_to_json(TOLD).replace('"index": 9', '"index": 3'),
        accesses_to_json(TOLD).replace('"key"', '"kay"'),
        accesses_to_json(replace(TOLD, accesses=())),
        accesses_to_json(
            replace(TOLD, accesses=tuple(access(n) for n in range(GREATEST_ACCESSES, -1, -1)))
        ),
        '{"format": "tongban-accesses/v1"}',
    ],
)
def test_another_form_is_refused(text):
    with pytest.raises(NoteError):
        accesses_from_json(text)


def test_a_record_of_somebody_else_is_told():
    def openings(told: ToldAccesses) -> dict[str, str]:
        checks = verify_accesses(told, "not a key").checks
        return {c.name: c.outcome.value for c in checks if c.name.startswith("opening")}

    assert openings(TOLD) == {"opening:9": "PASSED"}
    assert openings(replace(TOLD, key="other")) == {"opening:9": "FAILED"}
    # One whose salt was taken away does not pass for a record of many.
    (first, _) = TOLD.accesses
    bare = replace(TOLD, accesses=(replace(first, salt=b""),))
    assert openings(bare) == {"opening:9": "FAILED"}
    assert not verify_accesses(TOLD, "not a key").passed


def test_what_an_asker_says_it_was_for_is_compared():
    leaf = canonical({"commitments": {
        "key": commit(SALT, "key", KEY.encode()),
        "purpose": commit(SALT, "purpose", "就业登记".encode()),
    }})  # fmt: skip
    told = ToldAccesses(
        key=KEY,
        accesses=(
            ToldAccess(proven=ProvenLeaf(index=12, leaf=leaf, proof="no proof"), salt=SALT),
            *TOLD.accesses,
        ),
    )
    for purpose, outcome in (("就业登记", "PASSED"), ("核实身份", "FAILED")):
        answer = verify_accesses(told, "not a key", openings={"purpose": purpose})
        (check,) = (one for one in answer.checks if one.name == "opening:purpose")
        assert check.outcome.value == outcome
        assert ("12" in check.detail) is (outcome == "PASSED")


def test_a_look_at_a_license_opens_by_its_holder():
    def look(salt: bytes, number: str) -> ToldAccesses:
        commitments = {"holder_code": commit(SALT, "holder_code", number.encode())}
        leaf = canonical({"kind": "license_document_read", "commitments": commitments})
        one = ToldAccess(proven=ProvenLeaf(index=4, leaf=leaf, proof="no proof"), salt=salt)
        return ToldAccesses(key=KEY, accesses=(one,))

    def told(saved: ToldAccesses) -> dict[str, str]:
        return {one.name: one.outcome.name for one in verify_accesses(saved, "no key").checks}

    assert told(look(SALT, KEY))["opening:4"] == "PASSED"
    assert told(look(SALT, "990101198001010022"))["opening:4"] == "FAILED"
    # Of one with several holders the file has no salt, and the node alone says whom it is about.
    assert "opening:4" not in told(look(b"", KEY))
