"""Reads a catalog from the DCAT-AP document that `dcat` writes.

It is read as JSON-LD in the compact form of our context: nodes may stand in `@graph` or within
each other, values alone or in lists, so that a document which other software has read and written
again with that context is read too. A context is never fetched; one that is not ours is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import orjson

from exchange.v1 import catalog_pb2 as pb
from flows.forms import vocabulary as words
from flows.forms.dcat import Node, prefix
from flows.forms.problems import GREATEST_FILE, Problems, unreadable
from flows.forms.snapshot import Snapshot
from flows.forms.vocabulary import TONGBAN

GREATEST_NODES = 5_000_000
_CYCLES = {iri: cycle for cycle, iri in words.FREQUENCIES.items()}


def read(data: bytes) -> Snapshot:
    """The catalog. Raises InvalidArgument (CATALOG_FILE_INVALID), with every place."""
    if len(data) > GREATEST_FILE:
        raise unreadable("is too large", "过大")
    try:
        document = orjson.loads(data)
    except orjson.JSONDecodeError:
        raise unreadable("is no JSON", "不是 JSON") from None
    if not isinstance(document, dict) or document.get("@context") != words.CONTEXT:
        raise unreadable(
            "is no JSON-LD in the context of this export", "不是本导出所用上下文的 JSON-LD"
        )
    graph = _Graph(document.get("@graph", [document]))
    reader = _Reader(graph)
    departments = {one.name: one for one in map(reader.department, graph.of("foaf:Organization"))}
    resources = {one.name: one for one in map(reader.resource, graph.of("dcat:Dataset"))}
    items = {one.name: one for one in map(reader.service_item, graph.of("cpsv:PublicService"))}
    if not (departments or resources or items):
        reader.problems.add("@graph", "MISSING_FIELD", "holds no catalog", "没有目录内容")
    reader.problems.refuse()
    return Snapshot(
        departments={name: departments[name] for name in sorted(departments)},
        resources={name: resources[name] for name in sorted(resources)},
        service_items={name: items[name] for name in sorted(items)},
    )


class _Graph:
    """Nodes by their identifiers, wherever they stand."""

    def __init__(self, top: object) -> None:
        self.nodes: list[Node] = []
        self._by_id: dict[str, Node] = {}
        waiting: list[object] = [top]
        while waiting:
            one = waiting.pop()
            if isinstance(one, list):
                waiting.extend(reversed(one))
            elif isinstance(one, dict) and "@value" not in one:
                if "@type" in one or len(one) > 1:
                    self.nodes.append(one)
                    if isinstance(identifier := one.get("@id"), str):
                        self._by_id[identifier] = {**self._by_id.get(identifier, {}), **one}
                waiting.extend(value for key, value in one.items() if key != "@context")
            if len(self.nodes) > GREATEST_NODES:
                raise unreadable("holds too many nodes", "节点过多")

    def of(self, kind: str) -> Iterator[Node]:
        """The nodes of a class, each once."""
        seen: set[str] = set()
        for node in self.nodes:
            identifier = node.get("@id")
            if kind not in _all(node.get("@type")) or identifier in seen:
                continue
            if isinstance(identifier, str):
                seen.add(identifier)
            yield self.whole(node)

    def whole(self, node: Node) -> Node:
        """All that is said of a node that is referred to."""
        identifier = node.get("@id")
        return self._by_id.get(identifier, node) if isinstance(identifier, str) else node


class _Reader:
    """Nodes to messages; what is wrong is noted with the node and the property."""

    def __init__(self, graph: _Graph) -> None:
        self.graph = graph
        self.problems = Problems()

    def department(self, node: Node) -> pb.Department:
        region = self._node(node, "dct:spatial")
        return pb.Department(
            name=self._name(node),
            display_name=self._text(node, "foaf:name", needed=True),
            credit_code=self._text(node, "dct:identifier", needed=True),
            region_code=self._text(region, "dct:identifier", needed=True),
            level=self._word(node, "tb:level", pb.DepartmentLevel),
            parent=self._reference(node, "tb:parent").removeprefix(TONGBAN),
        )

    def resource(self, node: Node) -> pb.DataResource:
        cycle = self._reference(node, "dct:accrualPeriodicity")
        if cycle not in _CYCLES:
            self._wrong(node, "dct:accrualPeriodicity", "is missing, or no frequency that is known")
        abstract = self._text(node, "dct:description", needed=True)
        return pb.DataResource(
            name=self._name(node),
            code=self._text(self._node(node, "adms:identifier"), "skos:notation", needed=True),
            display_name=self._text(node, "dct:title", needed=True),
            abstract="" if self._yes(node, "tb:withoutAbstract") else abstract,
            category=self._word(node, "tb:category", pb.ResourceCategory),
            base_library=self._text(node, "tb:baseLibrary"),
            format=self._text(node, "tb:format"),
            sharing_type=self._word(node, "tb:sharingType", pb.SharingType),
            sharing_condition=self._text(node, "tb:sharingCondition"),
            sharing_mode=self._text(node, "tb:sharingMode"),
            open=self._yes(node, "tb:open"),
            update_cycle=_CYCLES.get(cycle, ""),
            publish_date=self._text(node, "dct:issued"),
            related_resources=self._texts(node, "tb:relatedCodes"),
            items=[self._item(item) for item in self._nodes(node, "tb:items")],
            key_item=self._text(node, "tb:keyItem"),
            legal_basis=self._text(self._node(node, "dcatap:applicableLegislation"), "eli:title"),
            theme=self._text(node, "tb:theme"),
            quality=self._text(node, "tb:quality"),
            contact_office=self._text(self._node(node, "dcat:contactPoint"), "vcard:fn"),
            signed_requests=self._yes(node, "tb:signedRequests"),
        )

    def _item(self, node: Node) -> pb.DataItem:
        return pb.DataItem(
            code=self._text(node, "tb:code", needed=True),
            display_name=self._text(node, "tb:displayName", needed=True),
            type=self._word(node, "tb:type", pb.ItemType),
            length=self._number(node, "tb:length"),
            required=self._yes(node, "tb:required"),
            personal=self._yes(node, "tb:personal"),
            standard=self._text(node, "tb:standard"),
            definition=self._text(node, "tb:definition"),
            sensitivity=self._word(node, "tb:sensitivity", pb.Sensitivity),
            element=self._text(node, "tb:element"),
            code_list=self._text(node, "tb:codeList"),
            code_values=[
                pb.CodeValue(
                    code=self._text(value, "tb:code"),
                    display_name=self._text(value, "tb:displayName"),
                )
                for value in self._nodes(node, "tb:codeValues")
            ],
        )

    def service_item(self, node: Node) -> pb.ServiceItem:
        item = pb.ServiceItem(
            name=self._name(node),
            code=self._text(node, "tb:code", needed=True),
            display_name=self._text(node, "dct:title", needed=True),
            handling_type=self._text(node, "tb:handlingType"),
            remark=self._text(node, "tb:remark"),
            item_type=self._text(node, "tb:itemType"),
            legal_basis=self._texts(node, "tb:legalBasis"),
            levels=self._words(node, "tb:levels", pb.DepartmentLevel),
            conditions=self._text(node, "tb:conditions"),
            audience=self._words(node, "tb:audience", pb.Audience),
            materials=[self._material(one) for one in self._nodes(node, "tb:materials")],
        )
        if limit := self._node(node, "tb:timeLimit"):
            item.time_limit.statutory_days = self._number(limit, "tb:statutoryDays")
            item.time_limit.promised_days = self._number(limit, "tb:promisedDays")
            item.time_limit.calendar_days = self._yes(limit, "tb:calendarDays")
        if schedule := self._node(node, "tb:feeSchedule"):
            item.fee_schedule.SetInParent()
            for fee in self._nodes(schedule, "tb:fees"):
                item.fee_schedule.fees.add(
                    display_name=self._text(fee, "tb:displayName"),
                    amount=self._text(fee, "tb:amount"),
                    unit=self._text(fee, "tb:unit"),
                    legal_basis=self._text(fee, "tb:legalBasis"),
                )
        return item

    def _material(self, node: Node) -> pb.Material:
        replaced = pb.Replacement(
            license_type=self._text(node, "tb:replacedByLicenseType"),
            resource=self._text(node, "tb:replacedByResource"),
            item=self._text(node, "tb:replacedByItem"),
        )
        return pb.Material(
            display_name=self._text(node, "tb:displayName", needed=True),
            kind=self._word(node, "tb:kind", pb.MaterialKind),
            copies=self._number(node, "tb:copies"),
            required=self._yes(node, "tb:required"),
            source=self._text(node, "tb:source"),
            replaced_by=replaced if replaced != pb.Replacement() else None,
        )

    def _name(self, node: Node) -> str:
        identifier = node.get("@id")
        if not isinstance(identifier, str) or not identifier.startswith(TONGBAN):
            self.problems.add(
                str(identifier)[:200],
                *("BAD_VALUE", f"@id must begin with {TONGBAN}", f"@id 应以 {TONGBAN} 开头"),
            )
            return ""
        return identifier.removeprefix(TONGBAN)

    def _text(self, node: Node, key: str, *, needed: bool = False) -> str:
        value = _one(node.get(key))
        if isinstance(value, str):
            return value
        if value is not None or needed:
            self._wrong(node, key, "is no text" if value is not None else "is missing")
        return ""

    def _texts(self, node: Node, key: str) -> list[str]:
        found = [_one(value) for value in _all(node.get(key))]
        if not all(isinstance(value, str) for value in found):
            self._wrong(node, key, "holds what is no text")
        return [value for value in found if isinstance(value, str)]

    def _yes(self, node: Node, key: str) -> bool:
        return _one(node.get(key)) in (True, "true", "1")

    def _number(self, node: Node, key: str) -> int:
        value = _one(node.get(key))
        text = "0" if value is None else str(value)
        if isinstance(value, bool) or not (text.isascii() and text.isdigit() and len(text) <= 9):
            self._wrong(node, key, "is no whole number")
            return 0
        return int(text)

    def _word(self, node: Node, key: str, enum: Any) -> Any:
        return self._meaning(node, key, self._text(node, key), enum)

    def _words(self, node: Node, key: str, enum: Any) -> list[Any]:
        return [self._meaning(node, key, text, enum) for text in self._texts(node, key)]

    def _meaning(self, node: Node, key: str, text: str, enum: Any) -> Any:
        try:
            return enum.Value(prefix(enum) + text.upper()) if text else 0
        except ValueError:
            self._wrong(node, key, "is no word of ours")
            return 0

    def _reference(self, node: Node, key: str) -> str:
        found = next(iter(_all(node.get(key))), None)
        identifier = found.get("@id") if isinstance(found, dict) else found
        return identifier if isinstance(identifier, str) else ""

    def _node(self, node: Node, key: str) -> Node:
        """The one node of a property; an empty one where there is none."""
        return next(iter(self._nodes(node, key)), {})

    def _nodes(self, node: Node, key: str) -> list[Node]:
        return [self.graph.whole(one) for one in _all(node.get(key)) if isinstance(one, dict)]

    def _wrong(self, node: Node, key: str, what: str) -> None:
        self.problems.add(
            f"{str(node.get('@id', ''))[:200]} {key}", "BAD_VALUE", what, "缺失或取值不正确"
        )


def _all(value: object) -> list[Any]:
    """The values of a property: none, one, several, or an ordered list."""
    if isinstance(value, Mapping) and "@list" in value:
        value = value["@list"]
    if value is None:
        return []
    return list(value) if isinstance(value, list) else [value]


def _one(value: object) -> object:
    """The value of a property that has one."""
    found: Iterable[Any] = _all(value)
    first = next(iter(found), None)
    return first.get("@value", first) if isinstance(first, Mapping) else first
