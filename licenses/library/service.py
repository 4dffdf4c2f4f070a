"""The license library (电子证照库): every change of a license, published to the exchange.

1. A record to publish is written in the transaction of its act (`store.enqueue`); `publish` takes
   what waits, in order, and forgets it once the exchange has it. A crash in between publishes a
   record twice, which the exchange holds once.
2. Only one thread publishes at a time, so an older state never comes after a newer one.
3. The resource belongs to the node's own department: one library for all issuers of the node.
"""

from __future__ import annotations

import hashlib
import threading

import structlog

from exchange.v1 import catalog_pb2 as pb
from licenses.library import store
from licenses.model import License
from licenses.neighbours import Neighbours
from runtime import names
from runtime.database import Database
from runtime.errors import DomainError
from runtime.records import canonical, instant

RESOURCE_ID = "licenses"
BATCH = 500

_C, _D, _T = pb.ITEM_TYPE_CHARACTER, pb.ITEM_TYPE_DATE, pb.ITEM_TYPE_TIME
# code, name for people, type, length, required, personal
_ITEMS = (
    ("license_identifier", "证照标识", _C, 120, True, False),
    ("license_type_code", "证照类型代码", _C, 21, True, False),
    ("license_type_name", "证照名称", _C, 100, True, False),
    ("license_number", "证照编号", _C, 30, True, False),
    ("issuing_authority", "证照颁发机构", _C, 200, True, False),
    ("issuing_authority_code", "证照颁发机构代码", _C, 18, True, False),
    ("issue_date", "证照颁发日期", _D, 0, True, False),
    ("holder_name", "持证主体", _C, 2100, True, True),
    ("holder_code", "持证主体代码", _C, 400, True, True),
    ("holder_code_type", "持证主体代码类型代码", _C, 80, True, False),
    ("valid_from", "证照有效期起始日期", _D, 0, True, False),
    ("valid_to", "证照有效期截止日期", _D, 0, False, False),
    ("state", "证照状态", _C, 12, True, False),
    ("state_time", "状态时间", _T, 0, True, False),
)
ITEMS = tuple(row[0] for row in _ITEMS)
KEY_ITEM = "license_identifier"

_log = structlog.get_logger()


def record_of(license_: License) -> dict[str, str]:
    """The library's record of a license as it is now."""
    return {
        "license_identifier": license_.identifier,
        "license_type_code": license_.metadata["ZZLXDM"],
        "license_type_name": license_.metadata["ZZMC"],
        "license_number": license_.serial,
        "issuing_authority": license_.metadata["ZZBFJG"],
        "issuing_authority_code": license_.metadata["ZZBFJGDM"],
        "issue_date": license_.metadata["ZZBFRQ"],
        "holder_name": license_.holder_name,
        "holder_code": license_.holder_code,
        "holder_code_type": license_.metadata["CZZTDMLXDM"],
        "valid_from": license_.valid_from.isoformat(),
        "valid_to": license_.valid_to.isoformat() if license_.valid_to else "",
        "state": license_.state.value,
        "state_time": instant(license_.state_time),
    }


def resource_of(department: str) -> pb.DataResource:
    """The library as an entry of the catalog."""
    return pb.DataResource(
        name=names.make(
            names.RESOURCE, department=department.partition("/")[2], resource=RESOURCE_ID
        ),
        code="105001/000001",
        display_name="电子证照库",
        abstract="本节点签发的电子证照及其现时状态",
        category=pb.RESOURCE_CATEGORY_BASE,
        base_library="license",
        format="database",
        sharing_type=pb.SHARING_TYPE_CONDITIONAL,
        sharing_condition="用于办理政务服务事项时查验证照，或依法履行职责",
        sharing_mode="table",
        update_cycle="real_time",
        items=[
            pb.DataItem(
                code=code,
                display_name=name,
                type=kind,
                length=length,
                required=required,
                personal=personal,
            )
            for code, name, kind, length, required, personal in _ITEMS
        ],
        key_item=KEY_ITEM,
    )


class Library:
    """Publishes what waits for the license library."""

    def __init__(self, database: Database, neighbours: Neighbours, department: str) -> None:
        self._database = database
        self._neighbours = neighbours
        self._resource = resource_of(department)
        self._lock = threading.Lock()
        self._ready = False

    def publish(self) -> int:
        """Publish everything that waits; how many records. Raises what the exchange refused."""
        published = 0
        with self._lock:
            while count := self._publish_batch():
                published += count
        return published

    def publish_soon(self) -> None:
        """Publish now if the exchange takes it; if not, reconciling does it later."""
        try:
            self.publish()
        except DomainError as error:
            _log.warning("license_library_waits", reason=error.reason)

    def _publish_batch(self) -> int:
        with self._database.reading() as turn:
            if not store.publishing_turn(turn):
                return 0
            taken = store.waiting(turn, BATCH)
            if not taken:
                return 0
            self._prepare()
            places = [place for place, _ in taken]
            rows = [[record.get(item, "") for item in ITEMS] for _, record in taken]
            # The same rows are the same request, however often they are sent.
            digest = hashlib.sha256(canonical([str(places), *map(list, rows)])).hexdigest()
            self._neighbours.publish(self._resource.name, ITEMS, rows, f"licenses-{digest[:40]}")
            with self._database.unit_of_work() as work:
                store.drop(work.session, places)
            return len(taken)

    def _prepare(self) -> None:
        """See that the catalog has the library; an administrator's changes of it are kept."""
        if not self._ready:
            if not self._neighbours.has_resource(self._resource.name):
                self._neighbours.put_resource(self._resource)
                _log.info("license_library_made", resource=self._resource.name)
            self._ready = True
