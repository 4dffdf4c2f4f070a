"""How a grant is shown."""

from __future__ import annotations

from exchange.v1 import grants_pb2 as pb
from tongban.commands import grants


def test_an_item_says_how_it_is_shown(monkeypatch):
    monkeypatch.setenv("TONGBAN_LANG", "en")
    items = [
        pb.GrantedItem(item="name"),
        pb.GrantedItem(item="residence_address", mask=pb.MASK_FIRST_SIX),
    ]
    grant = pb.Grant(items=items, operations=[pb.OPERATION_QUERY])
    assert grants._items(grant) == "name (WHOLE), residence_address (FIRST_SIX)"
    told = grants._as_json(grant)
    assert [item["mask"] for item in told["items"]] == ["MASK_WHOLE", "MASK_FIRST_SIX"]
