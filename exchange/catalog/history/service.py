"""Use cases of the catalog's history: what was said then, what has changed since.

1. Every version of an entry and of a department is kept, and can be read by its number or by a
   time: the version that was in force at that time.
2. What stood around a version is read as of the same time: the provider's code, and how fresh the
   records were.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from itertools import islice

import orjson

from exchange.catalog import rules
from exchange.catalog.history import model, store
from exchange.catalog.history.model import Difference, Element, Version
from exchange.catalog.model import (
    DataResource,
    Department,
    Entry,
    entry_from_content,
    etag_of,
)
from exchange.catalog.registering import department_not_found
from exchange.catalog.service import service_item_not_found
from runtime import names, paging
from runtime.clock import Clock
from runtime.database import Database
from runtime.errors import FieldViolation, InvalidArgument, NotFound


def entry_then(
    database: Database, name: str, *, at: datetime | None, version: int, clock: Clock
) -> tuple[Entry, datetime]:
    """An entry as of a time or in a version, and the time as of which it is told.

    Raises InvalidArgument (TIME_OR_VERSION) or NotFound (VERSION_NOT_FOUND).
    """
    if at is not None and version:
        raise InvalidArgument(
            "read_time or version: give one of the two",
            reason="TIME_OR_VERSION",
            message_zh="read_time 与 version 只能给出其一",
            violations=[FieldViolation("version", "stands beside read_time")],
        )
    at = None if at is None else min(at, clock.now())
    with database.reading() as session:
        found = store.version_at(session, name, at=at, version=version)
        if found is None:
            raise version_not_found()
        told = at or found.end_time or clock.now()
        entry = replace(
            entry_from_content(found.content),
            state=found.state,
            etag=etag_of(found.content, found.state),
            version=found.version,
            update_time=found.changed_at,
        )
        if isinstance(entry, DataResource):
            department = store.department_at(session, names.department_of(name), told)
            entry = replace(
                entry,
                provider_code=department.credit_code if department else "",
                last_publish_time=store.published_at(session, name, told),
            )
    return entry, told


def department_then(database: Database, name: str, at: datetime) -> Department:
    """A department as of a time. Raises NotFound, DEPARTMENT_NOT_FOUND."""
    names.parse(names.DEPARTMENT, name)
    with database.reading() as session:
        department = store.department_at(session, name, at)
    if department is None:
        raise department_not_found()
    return department


def list_versions(
    database: Database, name: str, *, page_size: int, page_token: str
) -> tuple[list[Version], str]:
    """A page of versions, the newest first. Raises NotFound (VERSION_NOT_FOUND)."""
    size = paging.page_size(page_size)
    below = paging.last_number_of(page_token) or None
    with database.reading() as session:
        rows = _read(name)(session, name, below=below, limit=size + 1)
    if not rows and not page_token:
        raise version_not_found()
    return paging.cut(rows, size, lambda one: str(one.version))


def compare_versions(
    database: Database, name: str, *, before: int, after: int
) -> tuple[Version, Version, list[Difference], bool]:
    """Two versions, in what they differ, and whether there was more than is told.

    Raises InvalidArgument (VERSION_ORDER) or NotFound (VERSION_NOT_FOUND).
    """
    read = _read(name)
    with database.reading() as session:
        newest = read(session, name, below=after + 1 if after > 0 else None, limit=1)
        if not newest or (after and newest[0].version != after):
            raise version_not_found()
        earlier = before or newest[0].version - 1
        if not 0 < earlier < newest[0].version:
            raise InvalidArgument(
                "from_version is an earlier one than to_version, and the first has none before it",
                reason="VERSION_ORDER",
                message_zh="from_version 应早于 to_version；第一版之前没有版本",
                violations=[FieldViolation("from_version", "is not before to_version")],
            )
        older = read(session, name, below=earlier + 1, limit=1)
    if not older or older[0].version != earlier:
        raise version_not_found()
    told = model.differences(_body(older[0]), _body(newest[0]))
    found = list(islice(told, model.GREATEST_DIFFERENCES + 1))
    cut = len(found) > model.GREATEST_DIFFERENCES
    return older[0], newest[0], found[: model.GREATEST_DIFFERENCES], cut


def compare_service_items(database: Database, code: str) -> tuple[list[str], list[Element], bool]:
    """Who offers an item, what they say of its ten elements, and whether there were too many.

    Raises InvalidArgument (CODE_INVALID) or NotFound (SERVICE_ITEM_NOT_FOUND).
    """
    if not rules.SERVICE_CODE.fullmatch(code):
        raise InvalidArgument(
            "code is that of a service item: 1 to 64 printable ASCII characters",
            reason="CODE_INVALID",
            message_zh="code 应为事项编码：1 至 64 个可打印 ASCII 字符",
            violations=[FieldViolation("code", "is no code of a service item")],
        )
    with database.reading() as session:
        offers = store.offers(session, code, limit=model.GREATEST_COMPARED + 1)
    if not offers:
        raise service_item_not_found()
    kept = offers[: model.GREATEST_COMPARED]
    told = [offer.name for offer in model.in_order(kept)]
    return told, model.compare_offers(kept), len(offers) > len(kept)


def version_not_found() -> NotFound:
    """The answer where nothing of the name was in the catalog, or not then."""
    return NotFound(
        "the catalog held no such thing then: check the name, the time and the version with "
        "ListVersions (`tongban catalog versions`)",
        reason="VERSION_NOT_FOUND",
        message_zh="当时目录中没有该条目：请用 tongban catalog versions 核对名称、时间和版本",
    )


def _read(name: str) -> store.VersionsOf:
    """Where the versions of a name are. Raises InvalidArgument, MALFORMED_NAME."""
    if names.is_name(names.DEPARTMENT, name):
        return store.department_versions
    if not rules.is_entry(name):
        names.parse(names.RESOURCE, name)
    return store.versions


def _body(version: Version) -> dict[str, object]:
    body: dict[str, object] = orjson.loads(version.content)
    return body | {"state": version.state.value}
