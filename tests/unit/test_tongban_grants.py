"""How a grant is shown."""

from __future__ import annotations

import pytest

from exchange.v1 import grants_pb2 as pb
from runtime.errors import InvalidArgument
from tongban.commands import grant_terms


def test_an_item_says_how_it_is_shown(monkeypatch):
    monkeypatch.setenv("TONGBAN_LANG", "en")
    items = [
        pb.GrantedItem(item="name"),
        pb.GrantedItem(item="residence_address", mask=pb.MASK_FIRST_SIX),
    ]
    grant = pb.Grant(items=items, operations=[pb.OPERATION_QUERY])
    assert grant_terms.items_text(grant) == "name (WHOLE), residence_address (FIRST_SIX)"
    told = grant_terms.as_json_of(grant)
    assert [item["mask"] for item in told["items"]] == ["MASK_WHOLE", "MASK_FIRST_SIX"]


@pytest.mark.parametrize(
    ("text", "item", "test", "values"),
    [
        ("region^=9901", "region", pb.ROW_TEST_PREFIX, ["9901"]),
        ("region=990101", "region", pb.ROW_TEST_EQUALS, ["990101"]),
        ("region=990101,990102", "region", pb.ROW_TEST_IN, ["990101", "990102"]),
        ("number@departments/d/resources/r", "number", pb.ROW_TEST_OWN_CLIENTS,
         ["departments/d/resources/r"]),
    ],
)  # fmt: skip
def test_a_condition_is_read_and_shown(text, item, test, values):
    read = grant_terms.condition(text)
    assert (read.item, read.test, list(read.values)) == (item, test, values)
    assert grant_terms.rows_text([read]) == text


@pytest.mark.parametrize("text", ["", "region", "^=9901", "region^=", "=x"])
def test_what_is_no_condition_is_refused(text):
    with pytest.raises(InvalidArgument):
        grant_terms.condition(text)
