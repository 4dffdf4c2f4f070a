"""The report of what nobody has to bring: every service item, before and after.

*Before* counts the item's materials and the proofs that were abolished. *After* counts what must
still be asked of whoever holds what there is to hold; of these, `awaiting` would come by itself if
the accepting department had a grant.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from licenses.v1 import materials_pb2 as pb
from tongban.client import Client
from tongban.console import print_table, say

FETCHED = frozenset(
    (
        pb.MATERIAL_SOURCE_HELD_AS_LICENSE,
        pb.MATERIAL_SOURCE_OBTAINABLE_UNDER_GRANT,
        pb.MATERIAL_SOURCE_VERIFIABLE,
    )
)
#: A grant would do.
_AWAITING = "NO_GRANT"
_DISPOSITIONS = {
    pb.PROOF_DISPOSITION_ABOLISHED: ("abolished", "取消"),
    pb.PROOF_DISPOSITION_KEPT: ("kept", "保留"),
    pb.PROOF_DISPOSITION_REPLACED: ("replaced by verification", "核验替代"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One service item."""

    service_item: str
    display_name: str
    handled_at_once: bool
    before: int
    after: int
    awaiting: int
    abolished: int
    filled: int
    by_license: int
    by_query: int
    by_verification: int
    materials: list[dict[str, Any]] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All lines, and all proofs."""

    lines: list[Line]
    proofs: list[dict[str, str]]

    @property
    def totals(self) -> Mapping[str, int]:
        """Sums over all items."""
        keys = ("before", "after", "awaiting", "abolished", "filled", "by_license", "by_query",
                "by_verification")  # fmt: skip
        return {key: sum(getattr(one, key) for one in self.lines) for key in keys}

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "service_items": [asdict(one) for one in self.lines],
            "totals": self.totals,
            "proofs": self.proofs,
            "proof_totals": Counter(one["disposition"] for one in self.proofs),
        }

    def print(self) -> None:
        """As a table, the sums last."""
        sums = self.totals
        print_table(
            say("Materials asked of applicants", "申请人需提交的材料"),
            (
                say("service item", "事项"), say("before", "原需"), say("after", "现需"),
                say("awaiting a grant", "待授权"), say("abolished", "取消"),
                say("filled", "自动填表"), say("license", "电子证照"), say("query", "查询"),
                say("verified", "核验"), say("at once", "秒批"),
            ),
            [
                *map(_cells, self.lines),
                (say(f"{len(self.lines)} items", f"{len(self.lines)} 个事项"), *sums.values(),
                 sum(one.handled_at_once for one in self.lines)),
            ],
        )  # fmt: skip

    def print_proofs(self) -> None:
        """The list of proofs (证明事项清单)."""
        words = dict(_DISPOSITIONS.values())
        print_table(
            say("Proofs", "证明事项清单"),
            (say("service item", "事项"), say("proof", "证明"),
             say("what became of it", "清理结果"), say("legal basis or note", "依据或说明")),
            [
                (one["item"], one["proof"], say(one["disposition"], words[one["disposition"]]),
                 one["legal_basis"] or one["note"])
                for one in self.proofs
            ],
        )  # fmt: skip


def _cells(one: Line) -> tuple[object, ...]:
    counts = (one.awaiting, one.abolished, one.filled, one.by_license, one.by_query,
              one.by_verification)  # fmt: skip
    at_once = say("yes", "是") if one.handled_at_once else ""
    return one.display_name, one.before, one.after, *(count or "" for count in counts), at_once


def make(client: Client, parent: str) -> Report:
    """The report of a department's service items, or of all. Raises grpc.RpcError."""
    handlings = {
        one.service_item: one
        for one in client.every(
            client.materials.ListHandlings, pb.ListHandlingsRequest(parent=parent), "handlings"
        )
    }
    items = client.every(
        client.materials.ListServiceItems,
        pb.ListServiceItemsRequest(parent=parent),
        "service_items",
    )
    lines, proofs = [], []
    for item in items:
        planned = client.materials.PlanMaterials(
            pb.PlanMaterialsRequest(service_item=item.name), timeout=client.timeout
        ).materials
        handling = handlings.get(item.name, pb.Handling())
        lines.append(_line(item, planned, handling))
        proofs += [
            {
                "service_item": item.name,
                "item": item.display_name,
                "proof": one.display_name,
                "disposition": _DISPOSITIONS[one.disposition][0],
                "legal_basis": one.legal_basis,
                "note": one.note,
            }
            for one in handling.proofs
        ]
    return Report(lines=lines, proofs=proofs)


def _line(item: pb.OfferedServiceItem, planned: Any, handling: pb.Handling) -> Line:
    counted = Counter(one.source for one in planned)
    abolished = sum(one.disposition == pb.PROOF_DISPOSITION_ABOLISHED for one in handling.proofs)
    return Line(
        service_item=item.name,
        display_name=item.display_name,
        handled_at_once=item.handled_at_once,
        before=len(planned) + abolished,
        after=counted[pb.MATERIAL_SOURCE_MUST_BE_ASKED],
        awaiting=sum(one.reason == _AWAITING for one in planned),
        abolished=abolished,
        filled=counted[pb.MATERIAL_SOURCE_FILLED_ONCE],
        by_license=counted[pb.MATERIAL_SOURCE_HELD_AS_LICENSE],
        by_query=counted[pb.MATERIAL_SOURCE_OBTAINABLE_UNDER_GRANT],
        by_verification=counted[pb.MATERIAL_SOURCE_VERIFIABLE],
        materials=[
            {
                "material": one.display_name,
                "source": pb.MaterialSource.Name(one.source).removeprefix("MATERIAL_SOURCE_"),
                "reason": one.reason,
            }
            for one in planned
        ],
    )


def sources_of(one: pb.FormField) -> str:
    """Where a field is filled from, for people."""
    told = [
        f"{source.license_type}#{source.key}" if source.license_type
        else f"{source.resource}#{source.item}"
        for source in one.sources
    ]  # fmt: skip
    return ", ".join(told) or say("entered", "填写")
