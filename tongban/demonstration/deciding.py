"""Act 8: a service item that is handled at once (秒批): a yes, a no, and what is not known.

The bureau gets what its rule looks at, for this item alone and for what the item is about.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import islice

from exchange.v1 import grants_pb2
from licenses.v1 import materials_pb2
from runtime.clock import SYSTEM, china_date
from runtime.idcodes import citizen_check_character
from tongban import collecting
from tongban.client import new_request_id
from tongban.demonstration.office import put_materials
from tongban.demonstration.sharing import POPULATION, applicant, approve, ask
from tongban.demonstration.stage import Facts, Stage
from tongban.people import PERSON_ITEMS, REGION, Person, people

ITEM = "departments/human-resources/serviceItems/cg2017-29"
GRANTED_FOR = "办理城乡居民养老保险参保登记时核实参保人的年龄和户籍"
CONSENT = "窗口核验身份证，当面逐项同意"
_LOOKED_AT = ("name", "birth_date", "residence_address")
#: Years; the rule asks for sixteen.
_TOO_YOUNG = 10


def decide(stage: Stage) -> Facts:
    """Give the grant, then let three apply: what was decided of each, and why."""
    put_materials(stage)
    asked = ask(stage["employment"], POPULATION, list(_LOOKED_AT), GRANTED_FOR, service_item=ITEM)
    whole = [grants_pb2.GrantedItem(item=item) for item in _LOOKED_AT]
    grant = approve(stage["police"], asked.name, whole, timedelta(days=90))
    young = child()
    stage["police"].publish(POPULATION, PERSON_ITEMS, [young.row()], request_id="demo-child")
    offered = stage["terminal"].materials.ListServiceItems(
        materials_pb2.ListServiceItemsRequest(parent="departments/-", at_once_only=True),
        timeout=30,
    )
    return {
        "items": {one.name: one.display_name for one in offered.service_items},
        "grant": grant.name,
        "cases": {
            "resident": _case(stage, applicant()),
            "child": _case(stage, young),
            "without_consent": _case(stage, next(islice(people(100), 7, None)), agrees=False),
        },
    }


def child() -> Person:
    """Somebody of the population library who is too young for the item."""
    born = f"{int(china_date(SYSTEM.now())[:4]) - _TOO_YOUNG}-01-01"
    body = f"{REGION}{born.replace('-', '')}001"
    return replace(
        applicant(),
        citizen_number=body + citizen_check_character(body),
        name="蔡小禾",
        birth_date=born,
    )


def _case(stage: Stage, who: Person, *, agrees: bool = True) -> Facts:
    """One applies at the terminal, and the bureau's own system collects what they agreed to."""
    terminal = stage["terminal"].materials
    planned = terminal.PlanMaterials(
        materials_pb2.PlanMaterialsRequest(service_item=ITEM, holder_code=who.citizen_number),
        timeout=30,
    ).materials
    fetched = [
        one.display_name
        for one in planned
        if one.source == materials_pb2.MATERIAL_SOURCE_OBTAINABLE_UNDER_GRANT
    ]
    begun = terminal.BeginCollection(
        materials_pb2.BeginCollectionRequest(
            service_item=ITEM,
            holder_code=who.citizen_number,
            materials=fetched if agrees else [],
            consent=CONSENT,
            request_id=new_request_id(),
        ),
        timeout=30,
    ).collection
    done = collecting.collect(
        stage["employment"],
        begun.name,
        who.citizen_number,
        {code: getattr(who, code) for code in begun.entries},
        purpose=GRANTED_FOR,
    )
    return {
        "collection": done.name,
        "decision": materials_pb2.CollectionDecision.Name(done.decision).removeprefix(
            "COLLECTION_DECISION_"
        ),
        "outcomes": [
            {
                "finding": materials_pb2.RuleFinding.Name(one.finding).removeprefix(
                    "RULE_FINDING_"
                ),
                "reason": one.reason,
                "reason_zh": one.reason_zh,
                "missing": one.missing,
                "missing_zh": one.missing_zh,
            }
            for one in done.outcomes
        ],
    }
