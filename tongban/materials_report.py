"""The report of what nobody has to bring: every service item, before and after.

The node counts (`ReportMaterials`): here it is shown, for people and for programs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from licenses.v1 import materials_pb2 as pb
from tongban.client import Client
from tongban.console import out, print_table, say

_DISPOSITIONS = {
    pb.PROOF_DISPOSITION_ABOLISHED: ("abolished", "取消"),
    pb.PROOF_DISPOSITION_KEPT: ("kept", "保留"),
}
#: Of a proof that is replaced, what it comes by as things are; a node from before says nothing.
_REPLACEMENTS = {
    pb.PROOF_REPLACEMENT_UNSPECIFIED: ("replaced", "核验替代"),
    pb.PROOF_REPLACEMENT_LICENSE: ("replaced by a license", "以电子证照替代"),
    pb.PROOF_REPLACEMENT_QUERY: ("replaced by a query", "以数据查询替代"),
    pb.PROOF_REPLACEMENT_VERIFICATION: ("replaced by yes or no", "以数据核验替代"),
    pb.PROOF_REPLACEMENT_FORM: ("replaced by the form", "以自动填表替代"),
    pb.PROOF_REPLACEMENT_OWN_DATA: ("replaced by own data", "以本部门数据替代"),
    pb.PROOF_REPLACEMENT_AWAITS_GRANT: ("replaced, waits for a grant", "可替代，待授权"),
    pb.PROOF_REPLACEMENT_NOTHING: ("replaced, by nothing that is there", "应替代，尚无来源"),
}


_COUNTS = (
    "before", "after", "awaiting", "abolished", "filled", "by_license", "by_query",
    "by_verification", "own_data",
)  # fmt: skip
SPARED = "no_longer_brought"
_SHOWN = ("before", "after", SPARED, "awaiting")
_WAYS = {
    "abolished": ("abolished", "取消"),
    "filled": ("filled from other materials", "自动填表"),
    "by_license": ("a license", "电子证照"),
    "by_query": ("a query", "数据查询"),
    "by_verification": ("a yes or no", "数据核验"),
    "own_data": ("the department's own data", "本部门数据"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All service items, and all proofs."""

    lines: list[pb.MaterialReport]
    proofs: list[dict[str, str]]

    @property
    def totals(self) -> Mapping[str, int]:
        """Sums over all items."""
        counts = [_counts(one) for one in self.lines]
        return {
            key: sum(one[key] for one in counts) for key in (*_COUNTS[:2], SPARED, *_COUNTS[2:])
        }

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "service_items": [_plainly(one) for one in self.lines],
            "totals": self.totals,
            "proofs": self.proofs,
            "proof_totals": Counter(one["disposition"] for one in self.proofs),
        }

    def print(self) -> None:
        """As a table of items, the sums last; and what stands for what nobody brings any more."""
        sums = self.totals
        out.print(_in_short(sums), markup=False)
        print_table(
            say("Materials asked of applicants", "申请人需提交的材料"),
            (
                say("service item", "事项"), say("before", "原需"), say("after", "现需"),
                say("nobody brings", "免交"), say("awaiting a grant", "待授权"),
                say("at once", "秒批"),
            ),
            [
                *map(_cells, self.lines),
                (say(f"{len(self.lines)} items", f"{len(self.lines)} 个事项"),
                 *(sums[key] for key in _SHOWN), sum(one.handled_at_once for one in self.lines)),
            ],
        )  # fmt: skip
        print_table(
            say("What stands for them", "免交材料的来源"),
            (say("by", "方式"), say("materials", "材料数")),
            [(say(*words), sums[key]) for key, words in _WAYS.items()],
        )

    def print_proofs(self) -> None:
        """The list of proofs (证明事项清单)."""
        words = dict((*_DISPOSITIONS.values(), *_REPLACEMENTS.values()))
        print_table(
            say("Proofs", "证明事项清单"),
            (say("service item", "事项"), say("proof", "证明"),
             say("what became of it", "清理结果"), say("legal basis or note", "依据或说明")),
            [
                (one["item"], one["proof"], say(one["disposition"], words[one["disposition"]]),
                 one["legal_basis"] or one["note"])
                for one in self.proofs
            ] + [
                (say("in all", "合计"), say(word, words[word]), count, "")
                for word, count in Counter(one["disposition"] for one in self.proofs).items()
            ],
        )  # fmt: skip


def _in_short(sums: Mapping[str, int]) -> str:
    """What came of it all, for who reads one line."""
    before, after, spared = sums["before"], sums["after"], sums[SPARED]
    part = round(100 * spared / before) if before else 0
    return say(
        f"Of {before} materials nobody brings {spared} any more ({part} %); {after} are asked.",
        f"原需材料 {before} 份，现免交 {spared} 份（{part}%），仍需提交 {after} 份。",
    )


def _counts(one: pb.MaterialReport) -> dict[str, int]:
    """What is counted of a service item; `SPARED` is what nobody brings any more."""
    counts = {key: getattr(one, key) for key in _COUNTS}
    return {**counts, SPARED: one.before - one.after}


def _cells(one: pb.MaterialReport) -> tuple[object, ...]:
    counts = _counts(one)
    before, after, *others = (counts[key] for key in _SHOWN)
    at_once = say("yes", "是") if one.handled_at_once else ""
    return one.display_name, before, after, *(count or "" for count in others), at_once


def _plainly(one: pb.MaterialReport) -> dict[str, Any]:
    """A service item for programs."""
    return {
        "service_item": one.service_item,
        "display_name": one.display_name,
        "handled_at_once": one.handled_at_once,
        **_counts(one),
        "materials": [
            {
                "material": planned.display_name,
                "source": pb.MaterialSource.Name(planned.source).removeprefix("MATERIAL_SOURCE_"),
                "reason": planned.reason,
            }
            for planned in one.materials
        ],
    }


def make(client: Client, parent: str) -> Report:
    """The report of a department's service items, or of all. Raises grpc.RpcError."""
    request = pb.ReportMaterialsRequest(parent=parent)
    lines = list(client.every(client.materials.ReportMaterials, request, "reports"))
    proofs = [
        {
            "service_item": one.service_item,
            "item": one.display_name,
            "proof": proof.display_name,
            "disposition": _became(proof),
            "legal_basis": proof.legal_basis,
            "note": proof.note,
        }
        for one in lines
        for proof in one.proofs
    ]
    return Report(lines=lines, proofs=proofs)


def _became(proof: pb.Proof) -> str:
    """What became of a proof: of one that is replaced, by what."""
    if proof.disposition != pb.PROOF_DISPOSITION_REPLACED:
        return _DISPOSITIONS[proof.disposition][0]
    return _REPLACEMENTS[proof.replaced_by][0]
