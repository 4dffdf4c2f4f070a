"""A record whose every value is unlike any other, and whether a message shows more than it may."""

from typing import Any

import orjson
from hypothesis import strategies as st

from exchange.grants.model import Mask, apply_mask
from exchange.v1 import audit_pb2
from tests.builders.exchange import citizen_number

#: A value of every item, unlike every other and too long for chance: any leak is seen in the bytes,
#: and nothing else.
RECORD = {
    "citizen_number": citizen_number(4321),
    "name": "某甲乙丙丁",
    "birth_date": "1987-11-23",
    "household_size": "314159265358979",
    "registered_at": "2019-07-06T05:04:03Z",
    "local": "true",
    "photo": "cGhvdG8tYnl0ZXM=",
    "region": "990102",
}
WHY = {"purpose": "核验", "case_number": "1"}
MASKS = st.dictionaries(
    st.sampled_from(sorted(RECORD)), st.sampled_from(list(Mask)), min_size=1, max_size=len(RECORD)
)


def check_shown(
    message: Any,
    items: dict[str, str],
    masks: dict[str, Mask],
    record: dict[str, str] = RECORD,
) -> None:
    """Only granted items, as masked, and no other value anywhere in the message's bytes."""
    assert items == {code: apply_mask(mask, record[code]) for code, mask in masks.items()}
    raw = _without_noise(message).SerializeToString()
    for code, value in record.items():
        if masks.get(code) is not Mask.WHOLE and value != "true":
            assert value.encode() not in raw, code


def check_said(error: Any, masks: dict[str, Mask], record: dict[str, str] = RECORD) -> None:
    """No value that is not granted whole in what a refusal says."""
    told = error.message + error.message_zh + repr(error.metadata) + repr(error.violations)
    for code, value in record.items():
        if masks.get(code) is not Mask.WHOLE and value != "true":
            assert value not in told, code


def _without_noise(message: Any) -> Any:
    """The message without hashes, signatures and random ids, in which any digits may stand."""
    bare = type(message).FromString(message.SerializeToString())
    leaf = orjson.loads(bare.receipt.leaf)
    for noise in ("commitments", "contract", "grant", "subscription"):
        leaf.pop(noise, None)
    bare.receipt.CopyFrom(audit_pb2.Receipt(leaf=orjson.dumps(leaf)))
    for change in getattr(bare, "changes", ()):
        change.record_id = ""
    return bare
