"""A catalog as DCAT-AP 3.0 in JSON-LD.

Departments are agents, resources datasets with a distribution by the exchange's data service,
service items public services (CPSV). Facts stand once: what `dcat_reading` takes from DCAT's own
words is not repeated in ours. Left out, since nobody told the catalog: the time and the place that
the records themselves are about; `dct:spatial` is the provider's region.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import orjson

from exchange.v1 import catalog_pb2 as pb
from flows.forms import vocabulary as words
from flows.forms.snapshot import Snapshot
from flows.forms.vocabulary import TONGBAN

Node = dict[str, Any]

GREATEST_KEYWORDS = 50
SERVICE = f"{TONGBAN}services/exchange"
CATALOG = f"{TONGBAN}catalog"


def write(
    snapshot: Snapshot,
    *,
    endpoint: str,
    title: str = "示范目录",
    publisher: str = "",
    at: datetime,
    published: Mapping[str, datetime] | None = None,
) -> bytes:
    """The document.

    `endpoint` is the URL of the exchange, `publisher` the department that publishes the catalog
    (the first one by name where it is empty), `at` when the catalog was taken, and `published` the
    time of the newest batch by resource, where there is one.
    """
    resources = list(snapshot.resources.values())
    shared = [one for one in resources if one.sharing_type != pb.SHARING_TYPE_NOT_SHARED]
    agent = publisher or next(iter(snapshot.departments), "")
    issuer = {"@id": TONGBAN + agent} if agent else {"@id": f"{TONGBAN}node"}
    graph: list[Node] = [
        {
            "@id": CATALOG,
            "@type": "dcat:Catalog",
            "dct:title": _zh(title),
            "dct:description": _zh(f"{title}：政务信息资源与政务服务事项"),
            "dct:publisher": issuer,
            "dct:language": {"@id": words.LANGUAGE},
            "dct:modified": _instant(at),
            "dct:conformsTo": [{"@id": words.PROFILE}, {"@id": words.DCAT_AP}],
            "dcat:themeTaxonomy": {"@id": words.THEMES},
            "dcat:dataset": [{"@id": TONGBAN + one.name} for one in resources],
            "dcat:service": {"@id": SERVICE},
        },
        {
            "@id": SERVICE,
            "@type": "dcat:DataService",
            "dct:title": _zh("数据共享交换服务"),
            "dct:description": _zh("按授权查询、核查、订阅"),
            "dct:publisher": issuer,
            "dcat:endpointURL": {"@id": endpoint},
            "dct:accessRights": {"@id": words.ACCESS_RIGHTS["RESTRICTED"]},
            "dcat:servesDataset": [{"@id": TONGBAN + one.name} for one in shared],
        },
    ]
    if not agent:
        graph.append({"@id": f"{TONGBAN}node", "@type": "foaf:Agent", "foaf:name": _zh(title)})
    codes = {one.code: one.name for one in resources}
    graph += map(_agent, snapshot.departments.values())
    for resource in resources:
        graph.append(_dataset(resource, snapshot, codes, (published or {}).get(resource.name)))
        if resource in shared:
            graph.append(_distribution(resource, endpoint))
    graph += map(_public_service, snapshot.service_items.values())
    graph += _concepts(snapshot)
    document = {"@context": words.CONTEXT, "@graph": [_said(node) for node in graph]}
    return orjson.dumps(document, option=orjson.OPT_INDENT_2) + b"\n"


def _agent(department: pb.Department) -> Node:
    level = _word(pb.DepartmentLevel, department.level)
    return {
        "@id": TONGBAN + department.name,
        "@type": ["foaf:Agent", "foaf:Organization"],
        "foaf:name": _zh(department.display_name),
        "dct:identifier": department.credit_code,
        "dct:type": _reference(words.PUBLISHER_TYPES.get(level, "")),
        "dct:spatial": {"@id": _region(department.region_code)},
        "tb:level": level,
        "tb:parent": _reference(TONGBAN + department.parent if department.parent else ""),
    }


def _dataset(
    resource: pb.DataResource,
    snapshot: Snapshot,
    codes: Mapping[str, str],
    published: datetime | None,
) -> Node:
    department = _department(resource.name)
    provider = snapshot.departments.get(department, pb.Department())
    shared = resource.sharing_type != pb.SHARING_TYPE_NOT_SHARED
    related = [codes[code] for code in resource.related_resources if code in codes]
    standards = dict.fromkeys(item.standard for item in resource.items if item.standard)
    return {
        "@id": TONGBAN + resource.name,
        "@type": "dcat:Dataset",
        "dct:title": _zh(resource.display_name),
        "dct:description": _zh(resource.abstract or resource.display_name),
        "tb:withoutAbstract": not resource.abstract,
        "dct:identifier": resource.name,
        "adms:identifier": {"@type": "adms:Identifier", "skos:notation": resource.code},
        "dct:publisher": {"@id": TONGBAN + department},
        "dcat:contactPoint": {
            "@type": ["vcard:Kind", "vcard:Organization"],
            "vcard:fn": _zh(resource.contact_office),
        }
        if resource.contact_office
        else None,
        "dcat:theme": [
            {"@id": words.data_theme(resource.base_library)},
            *([{"@id": _theme(resource.theme)}] if resource.theme else []),
        ],
        "dcat:keyword": [_zh(text) for text in _keywords(resource)],
        "dct:accrualPeriodicity": _reference(words.FREQUENCIES.get(resource.update_cycle, "")),
        "dct:accessRights": {"@id": words.ACCESS_RIGHTS[_right(resource)]},
        "dct:issued": _day(resource.publish_date),
        "dct:modified": _instant(published) if published else None,
        "dct:language": {"@id": words.LANGUAGE},
        "dct:spatial": _reference(_region(provider.region_code) if provider.region_code else ""),
        "dct:conformsTo": [{"@id": _standard(one)} for one in standards],
        "dct:relation": [{"@id": TONGBAN + name} for name in related],
        "dcatap:applicableLegislation": {
            "@type": "eli:LegalResource",
            "eli:title": _zh(resource.legal_basis),
        }
        if resource.legal_basis
        else None,
        "dcat:distribution": {"@id": _distribution_id(resource)} if shared else None,
        "tb:category": _word(pb.ResourceCategory, resource.category),
        "tb:baseLibrary": resource.base_library,
        "tb:theme": resource.theme,
        "tb:signedRequests": resource.signed_requests,
        "tb:format": resource.format,
        "tb:sharingType": _word(pb.SharingType, resource.sharing_type),
        "tb:sharingCondition": resource.sharing_condition,
        "tb:sharingMode": resource.sharing_mode,
        "tb:open": resource.open,
        "tb:quality": resource.quality,
        "tb:keyItem": resource.key_item,
        "tb:relatedCodes": _list(resource.related_resources),
        "tb:items": _list([_item(item) for item in resource.items]),
    }


def _item(item: pb.DataItem) -> Node:
    return _said(
        {
            "tb:code": item.code,
            "tb:displayName": item.display_name,
            "tb:type": _word(pb.ItemType, item.type),
            "tb:length": item.length or None,
            "tb:required": item.required,
            "tb:personal": item.personal,
            "tb:standard": item.standard,
            "tb:definition": item.definition,
            "tb:sensitivity": _word(pb.Sensitivity, item.sensitivity),
            "tb:element": item.element,
            "tb:codeList": item.code_list,
            "tb:codeValues": _list(
                [
                    {"tb:code": value.code, "tb:displayName": value.display_name}
                    for value in item.code_values
                ]
            ),
        }
    )


def _distribution(resource: pb.DataResource, endpoint: str) -> Node:
    return {
        "@id": _distribution_id(resource),
        "@type": "dcat:Distribution",
        "dct:title": _zh(resource.display_name),
        "dcat:accessURL": {"@id": endpoint},
        "dcat:accessService": {"@id": SERVICE},
        "dct:format": {"@id": _format(resource.format)},
    }


def _public_service(item: pb.ServiceItem) -> Node:
    limit = item.time_limit
    return {
        "@id": TONGBAN + item.name,
        "@type": "cpsv:PublicService",
        "dct:identifier": item.name,
        "dct:title": _zh(item.display_name),
        "cv:hasCompetentAuthority": {"@id": TONGBAN + _department(item.name)},
        "tb:code": item.code,
        "tb:handlingType": item.handling_type,
        "tb:remark": item.remark,
        "tb:itemType": item.item_type,
        "tb:legalBasis": _list(item.legal_basis),
        "tb:levels": _list([_word(pb.DepartmentLevel, level) for level in item.levels]),
        "tb:conditions": item.conditions,
        "tb:audience": _list([_word(pb.Audience, one) for one in item.audience]),
        "tb:materials": _list([_material(material) for material in item.materials]),
        "tb:timeLimit": {
            "tb:statutoryDays": limit.statutory_days,
            "tb:promisedDays": limit.promised_days,
            "tb:calendarDays": limit.calendar_days,
        }
        if item.HasField("time_limit")
        else None,
        "tb:feeSchedule": {
            "tb:free": not item.fee_schedule.fees,
            "tb:fees": _list([_fee(fee) for fee in item.fee_schedule.fees]),
        }
        if item.HasField("fee_schedule")
        else None,
    }


def _material(material: pb.Material) -> Node:
    replaced = material.replaced_by
    return _said(
        {
            "tb:displayName": material.display_name,
            "tb:kind": _word(pb.MaterialKind, material.kind),
            "tb:copies": material.copies,
            "tb:required": material.required,
            "tb:source": material.source,
            "tb:replacedByLicenseType": replaced.license_type,
            "tb:replacedByResource": replaced.resource,
            "tb:replacedByItem": replaced.item,
        }
    )


def _fee(fee: pb.Fee) -> Node:
    return _said(
        {
            "tb:displayName": fee.display_name,
            "tb:amount": fee.amount,
            "tb:unit": fee.unit,
            "tb:legalBasis": fee.legal_basis,
        }
    )


def _concepts(snapshot: Snapshot) -> Iterable[Node]:
    """The things that datasets refer to, each with its class and its name (DCAT-AP, ranges)."""
    resources = snapshot.resources.values()
    yield {
        "@id": words.THEMES,
        "@type": "skos:ConceptScheme",
        "dct:title": {"@value": "Data theme", "@language": "en"},
    }
    for iri in sorted({words.data_theme(one.base_library) for one in resources}):
        label = {"@value": iri.rpartition("/")[2], "@language": "en"}
        yield {
            "@id": iri,
            "@type": "skos:Concept",
            "skos:prefLabel": label,
            "skos:inScheme": {"@id": words.THEMES},
        }
    for theme in sorted({one.theme for one in resources if one.theme}):
        yield {"@id": _theme(theme), "@type": "skos:Concept", "skos:prefLabel": theme}
    levels = {_word(pb.DepartmentLevel, one.level) for one in snapshot.departments.values()}
    for iri in sorted({words.PUBLISHER_TYPES[level] for level in levels if level}):
        yield {"@id": iri, "@type": "skos:Concept", "skos:prefLabel": iri.rpartition("/")[2]}
    cycles = {one.update_cycle for one in resources} & words.FREQUENCIES.keys()
    for cycle in sorted(cycles):
        yield {"@id": words.FREQUENCIES[cycle], "@type": "dct:Frequency"}
    for right in sorted({_right(one) for one in resources} | {"RESTRICTED"}):
        yield {"@id": words.ACCESS_RIGHTS[right], "@type": "dct:RightsStatement"}
    yield {"@id": words.LANGUAGE, "@type": "dct:LinguisticSystem"}
    for iri in (words.PROFILE, words.DCAT_AP):
        yield {"@id": iri, "@type": "dct:Standard"}
    for code in sorted({one.region_code for one in snapshot.departments.values()}):
        yield {"@id": _region(code), "@type": "dct:Location", "dct:identifier": code}
    for word in sorted({one.format for one in resources}):
        yield {"@id": _format(word), "@type": "dct:MediaTypeOrExtent"}
    for standard in sorted({i.standard for one in resources for i in one.items if i.standard}):
        yield {"@id": _standard(standard), "@type": "dct:Standard", "dct:title": standard}


def _right(resource: pb.DataResource) -> str:
    if resource.sharing_type == pb.SHARING_TYPE_NOT_SHARED:
        return "NON_PUBLIC"
    return "PUBLIC" if resource.open else "RESTRICTED"


def _keywords(resource: pb.DataResource) -> Sequence[str]:
    texts = dict.fromkeys(item.display_name for item in resource.items)
    return list(texts)[:GREATEST_KEYWORDS]


def _said(node: Node) -> Node:
    """What a node says: nothing that is empty."""
    return {key: value for key, value in node.items() if value not in (None, "", [])}


def _zh(text: str) -> Node:
    return {"@value": text, "@language": "zh"}


def _list(values: Iterable[Any]) -> Node | None:
    """An ordered list; none where it is empty."""
    found = list(values)
    return {"@list": found} if found else None


def _reference(iri: str) -> Node | None:
    return {"@id": iri} if iri else None


def _day(text: str) -> Node | None:
    return {"@value": text, "@type": "xsd:date"} if text else None


def _instant(at: datetime) -> Node:
    told = at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return {"@value": told, "@type": "xsd:dateTime"}


def _word(enum: Any, number: int) -> str:
    """The last words of an enum's name in lower case; empty where it is not specified."""
    return "" if not number else str(enum.Name(number)).removeprefix(prefix(enum)).lower()


def prefix(enum: Any) -> str:
    """What the names of an enum begin with."""
    return str(enum.Name(0)).removesuffix("UNSPECIFIED")


def _department(name: str) -> str:
    return "/".join(name.split("/")[:2])


def _distribution_id(resource: pb.DataResource) -> str:
    return f"{TONGBAN}{resource.name}/distribution"


def _region(code: str) -> str:
    return f"{TONGBAN}regions/{code}"


def _theme(word: str) -> str:
    return f"{TONGBAN}themes/{quote(word, safe='')}"


def _format(word: str) -> str:
    return f"{TONGBAN}formats/{word}"


def _standard(text: str) -> str:
    return f"{TONGBAN}standards/{quote(text, safe='')}"
