"""What the catalog is found by: tokens, the same ones for both databases; pure.

1. Chinese is written without blanks, so a run of its characters gives every character and every two
   neighbours. A query of one character asks for it, a longer run for all its pairs: 房屋产权 is
   found by 房屋, 屋产 and 产权.
2. Other letters and digits give words in lower case: `citizen_number` is two. Full-width letters
   are narrowed first (NFKC).
3. What filters a search is a token as well, a mark that no word can be: it begins with "_". So a
   database joins short lists, instead of looking at everything that has a common word.
4. A document is a resource, a service item or an item of a resource. What is in force only is
   found.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from exchange.catalog.model import DataItem, DataResource, Entry
from exchange.catalog.service_item import ServiceItem
from runtime import names
from runtime.errors import FieldViolation, InvalidArgument

#: Raised with every change of what a token is: the index is then made anew.
TOKENS = 1
QUERY_LIMIT = 100
GREATEST_DOCUMENT_TOKENS = 2_000

_HAN = "\u3005-\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_RUN = re.compile(f"[{_HAN}]+|[^\\W_{_HAN}]+")
_IS_HAN = re.compile(f"[{_HAN}]")

RESOURCE = "resource"
SERVICE_ITEM = "service"
DATA_ITEM = "item"
#: In the order in which they are shown.
KINDS = (RESOURCE, SERVICE_ITEM, DATA_ITEM)


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """What is indexed of one thing."""

    entry: str
    item: str
    display_name: str
    resource_display_name: str
    title: tuple[str, ...]
    body: tuple[str, ...]
    mark: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What is wanted only; empty is anything."""

    department: str = ""
    base_library: str = ""
    sharing_type: str = ""
    kind: str = ""
    stale_only: bool = False

    @property
    def given(self) -> bool:
        """Whether there is one."""
        return bool(self.department or self.base_library or self.sharing_type or self.kind) or bool(
            self.stale_only
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One thing that a search found."""

    id: int
    kind: str
    entry: str
    item: str
    display_name: str
    resource_display_name: str
    sharing: str
    base_library: str
    stale: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One part of a search: what has these tokens, in its name or only elsewhere."""

    words: tuple[str, ...]
    marks: tuple[str, ...]
    in_title: bool


def tokens(*texts: str) -> tuple[str, ...]:
    """Each token of some texts once, in order."""
    found: dict[str, None] = {}
    for text in texts:
        for run in _RUN.findall(_plain(text)):
            if not _IS_HAN.match(run):
                found[run] = None
                continue
            found.update(dict.fromkeys(run))
            found.update(dict.fromkeys(_pairs(run)))
    return tuple(found)[:GREATEST_DOCUMENT_TOKENS]


def query_tokens(query: str) -> tuple[str, ...]:
    """What all must be there of a query.

    Raises InvalidArgument (QUERY_INVALID) where it is longer than `QUERY_LIMIT` or says nothing.
    """
    found: dict[str, None] = {}
    for run in _RUN.findall(_plain(query[:QUERY_LIMIT])):
        han = _IS_HAN.match(run) and len(run) > 1
        found.update(dict.fromkeys(_pairs(run) if han else (run,)))
    if len(query) > QUERY_LIMIT or (query and not found):
        raise InvalidArgument(
            f"query has 1 to {QUERY_LIMIT} characters, and a letter, a digit or a Chinese one",
            reason="QUERY_INVALID",
            message_zh=f"query 应为 1 至 {QUERY_LIMIT} 个字符，且含文字、字母或数字",
            violations=[FieldViolation("query", "says nothing or is too long")],
        )
    return tuple(found)


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).lower()


def _pairs(run: str) -> list[str]:
    return [run[place : place + 2] for place in range(len(run) - 1)]


def documents(entry: Entry) -> Iterator[Document]:
    """What is indexed of an entry: itself, and each item of a resource."""
    if isinstance(entry, ServiceItem):
        yield _service_item(entry)
        return
    yield _resource(entry)
    for item in entry.items:
        yield _item(entry, item)


def _service_item(item: ServiceItem) -> Document:
    materials = [material.display_name for material in item.materials]
    return Document(
        entry=item.name,
        item="",
        display_name=item.display_name,
        resource_display_name="",
        title=tokens(item.display_name),
        body=tokens(
            item.display_name, item.code, item.handling_type, item.remark, item.conditions,
            *item.legal_basis, *materials,
        ),
        mark=marks(kind=SERVICE_ITEM, department=names.department_of(item.name)),
    )  # fmt: skip


def _resource(resource: DataResource) -> Document:
    return Document(
        entry=resource.name,
        item="",
        display_name=resource.display_name,
        resource_display_name="",
        title=tokens(resource.display_name),
        body=tokens(
            resource.display_name, resource.code, resource.abstract, resource.theme,
            resource.sharing_condition, resource.legal_basis,
        ),
        mark=_marks_of(resource, RESOURCE),
    )  # fmt: skip


def _item(resource: DataResource, item: DataItem) -> Document:
    return Document(
        entry=resource.name,
        item=item.code,
        display_name=item.display_name,
        resource_display_name=resource.display_name,
        title=tokens(item.display_name),
        body=tokens(
            item.display_name, item.code, item.definition, item.element, item.standard,
            item.code_list, resource.display_name,
        ),
        mark=_marks_of(resource, DATA_ITEM),
    )  # fmt: skip


def _marks_of(resource: DataResource, kind: str) -> tuple[str, ...]:
    return marks(
        kind=kind,
        department=names.department_of(resource.name),
        base_library=resource.base_library,
        sharing_type=resource.sharing_type.value,
    )


def marks(
    *, kind: str = "", department: str = "", base_library: str = "", sharing_type: str = ""
) -> tuple[str, ...]:
    """The marks of a document, or of those that a search wants."""
    said = {
        "k": kind,
        "d": department.removeprefix("departments/"),
        "b": base_library,
        "s": sharing_type,
    }
    return tuple(f"_{letter}_{word}" for letter, word in said.items() if word)


def steps(words: tuple[str, ...], filters: Filters) -> list[Step]:
    """The parts of a search in the order in which they are shown.

    What has the words in its name comes first, and resources before service items before items.
    """
    only = [filters.kind] if filters.kind else list(KINDS)
    of_resources = filters.stale_only or filters.base_library or filters.sharing_type
    if of_resources:
        only = [kind for kind in only if kind != SERVICE_ITEM]
    if not words and not filters.kind:
        only = [kind for kind in only if kind != DATA_ITEM]  # nobody asked for every item
    return [
        Step(
            words=words,
            marks=marks(
                kind=kind,
                department=filters.department,
                base_library=filters.base_library,
                sharing_type=filters.sharing_type,
            ),
            in_title=in_title,
        )
        for in_title in ((True, False) if words else (True,))
        for kind in only
    ]
