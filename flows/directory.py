"""A department's directory: read, judged, compared. Plain functions, no I/O but the given rows.

1. A resource is one or more rows, one for each of its items, with the fields of the 2017 guide; a
   service item is one row.
2. A bad row rejects its entry as a whole: half a resource is another resource.
3. A rejected entry stays as it is held: what is broken in a file is not a wish to withdraw it.
4. What the file's departments hold and the file does not name is withdrawn.
5. The changes are one batch whose request id follows from its content and from what is held, so
   that a run that was cut off can be run again, and what was withdrawn can come back.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from exchange.v1 import catalog_pb2 as pb
from flows import columns
from flows.cells import Refusal, choice, listed, required, whole_number
from flows.differences import changed_fields
from flows.tables import Row
from runtime import names
from runtime.errors import FailedPrecondition, FieldViolation, InvalidArgument
from runtime.idcodes import credit_code_problem

Entry = pb.DataResource | pb.ServiceItem

RESOURCE_CODE = re.compile(r"[1-9][0-9]{5}[0-9A-Za-z]{0,40}/[0-9]{1,12}")
ITEM_CODE = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*")

_CHANGE = re.compile(r"changes\[(\d+)\]\.(?:put_\w+\.)?(.*)")

#: In the heading of both kinds of files.
NEEDED_COLUMNS = ("部门标识",)
RESOURCE_COLUMNS = (
    "部门标识", "资源标识", "信息资源分类", "信息资源名称", "信息资源代码", "信息资源提供方",
    "信息资源提供方代码", "信息资源摘要", "信息资源格式", "信息项代码", "信息项名称", "数据类型",
    "数据长度", "主键", "必填", "个人信息", "标准", "共享类型", "共享条件", "共享方式",
    "是否向社会开放", "更新周期", "发布日期", "关联资源代码",
)  # fmt: skip
SERVICE_ITEM_COLUMNS = ("部门标识", "事项编码", "部门名称", "办件类型", "项目名称", "备注")

CATEGORIES = {
    "基础": pb.RESOURCE_CATEGORY_BASE,
    "主题": pb.RESOURCE_CATEGORY_THEME,
    "部门": pb.RESOURCE_CATEGORY_DEPARTMENT,
}
BASE_LIBRARIES = {
    "人口": "population",
    "法人": "legal_entity",
    "自然资源和空间地理": "spatial",
    "电子证照": "license",
}
SHARING = {
    "无条件共享": pb.SHARING_TYPE_UNCONDITIONAL,
    "有条件共享": pb.SHARING_TYPE_CONDITIONAL,
    "不予共享": pb.SHARING_TYPE_NOT_SHARED,
}
TYPES = {
    "C": pb.ITEM_TYPE_CHARACTER,
    "N": pb.ITEM_TYPE_NUMBER,
    "D": pb.ITEM_TYPE_DATE,
    "T": pb.ITEM_TYPE_TIME,
    "L": pb.ITEM_TYPE_LOGICAL,
    "B": pb.ITEM_TYPE_BINARY,
    "G": pb.ITEM_TYPE_GEOMETRY,
}
MODES = {"库表": "table", "文件": "file", "接口": "service"}
FORMATS = {
    "数据库": "database", "电子文件": "electronic_file", "电子表格": "spreadsheet",
    "图形图像": "image", "流媒体": "stream", "自描述格式": "self_describing", "服务接口": "service",
}  # fmt: skip
CYCLES = {
    "实时": "real_time", "每日": "daily", "每周": "weekly", "每月": "monthly",
    "每季度": "quarterly", "每半年": "half_yearly", "每年": "yearly",
}  # fmt: skip
YES = {"是": True, "否": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reject:
    """A row that was not taken: where it is, what it is about, and why."""

    file: str
    line: int
    entry: str
    reason: str
    detail: str
    detail_zh: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Directory:
    """What files say: entries by name, rejects, and names that rejects keep as they are held."""

    entries: Mapping[str, Entry]
    rejects: tuple[Reject, ...] = ()
    kept: frozenset[str] = frozenset()
    #: File and line of each entry.
    places: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    #: Fields of each entry that its file has no column for: they stay as they are held.
    unsaid: Mapping[str, frozenset[str]] = field(default_factory=dict)


@dataclass(slots=True)
class Changes:
    """What has to change so that what is held says what the files say; names in order."""

    added: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    withdrawn: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    #: Of each changed entry the fields that differ, as the tables' headings name them.
    fields: dict[str, list[str]] = field(default_factory=dict)
    batch: list[pb.DirectoryChange] = field(default_factory=list)
    basis: list[str] = field(default_factory=list)

    @property
    def request_id(self) -> str:
        """The batch's own id: the same changes of the same holdings, the same id."""
        digest = hashlib.sha256("\n".join(self.basis).encode())
        for change in self.batch:
            digest.update(change.SerializeToString(deterministic=True))
        return f"directory-{digest.hexdigest()[:40]}"


def read_resources(
    rows: Sequence[Row], *, file: str, departments: Mapping[str, pb.Department]
) -> Directory:
    """Resources of a catalog in the 2017 guide's fields; `departments` by id are those held."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.cells["部门标识"], row.cells["资源标识"]), []).append(row)
    return _collect(
        file,
        [(group, "信息资源代码") for group in groups.values()],
        lambda group: _resource(group, departments),
        lambda row: f"departments/{row.cells['部门标识']}/resources/{row.cells['资源标识']}",
    )


def read_service_items(
    rows: Sequence[Row], *, file: str, departments: Mapping[str, pb.Department]
) -> Directory:
    """Service items, one a row."""
    return _collect(
        file,
        [([row], "事项编码") for row in rows],
        lambda group: _service_item(group[0], departments),
        lambda row: (
            f"departments/{row.cells['部门标识']}/serviceItems/{row.cells['事项编码'].lower()}"
        ),
    )


def merge(directories: Iterable[Directory]) -> Directory:
    """Several files as one directory; an entry that two files have is rejected in the second."""
    entries: dict[str, Entry] = {}
    rejects: list[Reject] = []
    kept: set[str] = set()
    places: dict[str, tuple[str, int]] = {}
    unsaid: dict[str, frozenset[str]] = {}
    for directory in directories:
        places = {**directory.places, **places}
        unsaid = {**directory.unsaid, **unsaid}
        for name, entry in directory.entries.items():
            if name in entries and entries[name] != entry:
                rejects.append(
                    Reject(file="", line=0, entry=name, reason="DUPLICATE_CODE",
                           detail="two files describe this entry differently",
                           detail_zh="两个文件对该条目的描述不一致")
                )  # fmt: skip
            else:
                entries[name] = entry
        rejects.extend(directory.rejects)
        kept |= directory.kept
    return Directory(
        entries=entries,
        rejects=tuple(rejects),
        kept=frozenset(kept - set(entries)),
        places=places,
        unsaid=unsaid,
    )


def reject_refused(
    wanted: Directory, changes: Changes, violations: Sequence[FieldViolation]
) -> Directory:
    """The directory without the entries that the catalog refused, each of them a reject.

    The catalog judges last, and knows rules that a file's reader need not: its violations name
    changes of the batch by number, `changes[3].put_resource.display_name`.
    """
    entries, rejects, kept = dict(wanted.entries), list(wanted.rejects), set(wanted.kept)
    for violation in violations:
        number = _CHANGE.match(violation.field)
        if number is None or int(number[1]) >= len(changes.batch):
            continue
        change = changes.batch[int(number[1])]
        name = change.put_resource.name or change.put_service_item.name  # only one of them is set
        if entries.pop(name, None) is not None:
            file, line = wanted.places.get(name, ("", 0))
            detail = f"{number[2]} {violation.description}"
            rejects.append(
                Reject(file=file, line=line, entry=name, reason="REFUSED_BY_CATALOG",
                       detail=detail, detail_zh=f"目录服务拒收：{detail}")
            )  # fmt: skip
            kept.add(name)
    return replace(wanted, entries=entries, rejects=tuple(rejects), kept=frozenset(kept))


def compare(
    directory: Directory, held: Mapping[str, Entry], *, allow_mass_withdrawal: bool = False
) -> Changes:
    """What has to change; `held` are all entries of the same departments and kinds by name.

    Raises FailedPrecondition (MASS_WITHDRAWAL) where more than half of at least ten held entries
    would go: a file cut short looks just like that.
    """
    changes = Changes()
    in_force = {n: e for n, e in held.items() if e.state == pb.ENTRY_STATE_ACTIVE}
    for name in sorted(directory.entries):
        unsaid = directory.unsaid.get(name, frozenset())
        entry = columns.keep_unsaid(directory.entries[name], held.get(name), unsaid)
        if name not in in_force:
            changes.added.append(name)
        elif _plain(held[name]) != entry:
            changes.changed.append(name)
            changes.fields[name] = changed_fields(held[name], entry)
        else:
            changes.unchanged.append(name)
            continue
        changes.batch.append(
            pb.DirectoryChange(put_resource=entry)
            if isinstance(entry, pb.DataResource)
            else pb.DirectoryChange(put_service_item=entry)
        )
    for name in sorted(in_force.keys() - directory.entries.keys() - directory.kept):
        changes.withdrawn.append(name)
        changes.batch.append(pb.DirectoryChange(withdraw=name))
    for name in (*changes.added, *changes.changed, *changes.withdrawn):
        if name in held:
            changes.basis.append(
                f"{name} {held[name].etag} {held[name].update_time.ToJsonString()}"
            )
    mass = len(in_force) >= 10 and len(changes.withdrawn) * 2 > len(in_force)
    if mass and not allow_mass_withdrawal:
        raise FailedPrecondition(
            f"the files would withdraw {len(changes.withdrawn)} of {len(in_force)} entries: check "
            "that they are whole, or allow it with --allow-mass-withdrawal",
            reason="MASS_WITHDRAWAL",
            message_zh=f"这些文件将撤回 {len(in_force)} 条中的 {len(changes.withdrawn)} 条："
            "请检查文件是否完整，或用 --allow-mass-withdrawal 明确允许",
        )
    return changes


def _collect(
    file: str,
    groups: Sequence[tuple[list[Row], str]],
    build: Callable[[list[Row]], Entry],
    name_of: Callable[[Row], str],
) -> Directory:
    entries: dict[str, Entry] = {}
    rejects: list[Reject] = []
    kept: set[str] = set()
    codes: dict[str, int] = {}
    places: dict[str, tuple[str, int]] = {}
    unsaid: dict[str, frozenset[str]] = {}
    for group, code_column in groups:
        first, name = group[0], name_of(group[0])
        code = first.cells.get(code_column, "")
        try:
            entry = build(group)
            if name in entries or code in codes:
                raise Refusal(
                    "DUPLICATE_CODE",
                    f"{code_column} stands on line {codes.get(code, 0)} already",
                    f"{code_column}与第 {codes.get(code, 0)} 行重复",
                )
            entries[name] = entry
            codes[code] = first.line
            places[name] = (file, first.line)
            unsaid[name] = _unsaid(entry, first.cells)
        except Refusal as refusal:
            kept.add(name)
            line = getattr(refusal, "line", first.line)
            rejects.append(
                Reject(file=file, line=line, entry=name, reason=refusal.reason,
                       detail=refusal.detail, detail_zh=refusal.detail_zh)
            )  # fmt: skip
    return Directory(
        entries=entries,
        rejects=tuple(rejects),
        kept=frozenset(kept - set(entries)),
        places=places,
        unsaid=unsaid,
    )


def _unsaid(entry: Entry, cells: Mapping[str, str]) -> frozenset[str]:
    """The fields of an entry that its file has no column for."""
    if isinstance(entry, pb.ServiceItem):
        return columns.unsaid(columns.SERVICE_ITEM, cells)
    of_items = {f"items.{name}" for name in columns.unsaid(columns.ITEM, cells)}
    said = {"legal_basis"} if entry.legal_basis else set()
    return (columns.unsaid(columns.RESOURCE, cells) | of_items) - said


def _resource(group: list[Row], departments: Mapping[str, pb.Department]) -> pb.DataResource:
    first = group[0].cells
    for column in ("资源标识", "信息资源名称", "信息资源代码", "信息资源摘要", "发布日期"):
        required(first, column)
    department = _department(first, departments)
    problem = credit_code_problem(first["信息资源提供方代码"])
    if problem:
        raise Refusal("BAD_CREDIT_CODE", f"信息资源提供方代码: {problem}",
                       "信息资源提供方代码不是有效的统一社会信用代码（GB 32100）")  # fmt: skip
    if first["信息资源提供方代码"] != department.credit_code:
        raise Refusal("WRONG_PROVIDER", "信息资源提供方代码 is not that of the department",
                       "信息资源提供方代码与部门登记的不一致")  # fmt: skip
    for column in ("信息资源代码", "关联资源代码"):
        _codes(first[column], column)
    category, _, library = first["信息资源分类"].partition("/")
    resource = pb.DataResource(
        name=_name(names.RESOURCE, department=first["部门标识"], resource=first["资源标识"]),
        code=first["信息资源代码"],
        display_name=first["信息资源名称"],
        abstract=first["信息资源摘要"],
        category=choice(CATEGORIES, category, "信息资源分类"),
        base_library=choice(BASE_LIBRARIES, library, "信息资源分类") if library else "",
        format=choice(FORMATS, first["信息资源格式"], "信息资源格式"),
        sharing_type=choice(SHARING, first["共享类型"], "共享类型"),
        sharing_condition=first["共享条件"],
        sharing_mode=choice(MODES, first["共享方式"], "共享方式"),
        open=choice(YES, first["是否向社会开放"], "是否向社会开放"),
        update_cycle=choice(CYCLES, first["更新周期"], "更新周期"),
        publish_date=first["发布日期"],
        related_resources=listed(first["关联资源代码"]),
    )
    columns.add_to_resource(resource, first)
    lines: dict[str, int] = {}
    for row in group:
        try:
            item = _item(row.cells)
            if item.code in lines:
                raise Refusal(
                    "DUPLICATE_CODE",
                    f"信息项代码 {item.code} stands on line {lines[item.code]} already",
                    f"信息项代码 {item.code} 与第 {lines[item.code]} 行重复",
                )
            lines[item.code] = row.line
            resource.items.append(item)
        except Refusal as refusal:
            refusal.line = row.line  # type: ignore[attr-defined]  # the item's own line
            raise
        if choice(YES, row.cells["主键"] or "否", "主键"):
            resource.key_item = row.cells["信息项代码"]
    _whole(resource)
    return resource


def _codes(text: str, column: str) -> None:
    for code in listed(text):
        if not RESOURCE_CODE.fullmatch(code):
            raise Refusal(
                "BAD_VALUE",
                f"{column} must be a code of the guide's form, such as 101001/000001",
                f"{column}应为指南规定的代码，如 101001/000001",
            )


def _whole(resource: pb.DataResource) -> None:
    """What can only be judged of all rows together."""
    keys = [item for item in resource.items if item.code == resource.key_item]
    if not keys:
        raise Refusal("MISSING_FIELD", "no item is marked 主键", "没有标为主键的信息项")
    if not keys[0].required:
        raise Refusal("BAD_VALUE", "the 主键 item must be 必填", "主键信息项应为必填")
    if resource.sharing_type == pb.SHARING_TYPE_CONDITIONAL and not resource.sharing_condition:
        raise Refusal("MISSING_FIELD", "共享条件 is empty", "共享条件为空")
    if resource.sharing_type == pb.SHARING_TYPE_NOT_SHARED and not resource.legal_basis:
        raise Refusal("MISSING_FIELD", "法律依据 is empty", "法律依据为空")


def _item(cells: Mapping[str, str]) -> pb.DataItem:
    for column in ("信息项代码", "信息项名称", "数据类型"):
        required(cells, column)
    if not ITEM_CODE.fullmatch(cells["信息项代码"]):
        raise Refusal(
            "BAD_VALUE", "信息项代码 must be lower_snake", "信息项代码应为小写字母和下划线"
        )
    item = pb.DataItem(
        code=cells["信息项代码"],
        display_name=cells["信息项名称"],
        type=choice(TYPES, cells["数据类型"], "数据类型"),
        length=whole_number(cells["数据长度"], "数据长度"),
        required=choice(YES, cells["必填"] or "否", "必填"),
        personal=choice(YES, cells["个人信息"] or "否", "个人信息"),
        standard=cells["标准"],
    )
    columns.add_to_item(item, cells)
    return item


def _service_item(row: Row, departments: Mapping[str, pb.Department]) -> pb.ServiceItem:
    cells = row.cells
    for column in ("事项编码", "办件类型", "项目名称"):
        required(cells, column)
    _department(cells, departments)
    item = pb.ServiceItem(
        name=_name(
            names.SERVICE_ITEM, department=cells["部门标识"], service_item=cells["事项编码"].lower()
        ),
        code=cells["事项编码"],
        display_name=cells["项目名称"],
        handling_type=cells["办件类型"],
        remark=cells["备注"],
    )
    columns.add_to_service_item(item, cells)
    return item


def _department(
    cells: Mapping[str, str], departments: Mapping[str, pb.Department]
) -> pb.Department:
    required(cells, "部门标识")
    if cells["部门标识"] not in departments:
        raise Refusal("UNKNOWN_DEPARTMENT", "部门标识 is not a registered department",
                       "部门标识未登记")  # fmt: skip
    return departments[cells["部门标识"]]


def _name(pattern: str, **ids: str) -> str:
    try:
        return names.make(pattern, **ids)
    except InvalidArgument as error:
        raise Refusal("BAD_VALUE", error.message, error.message_zh) from None


def _plain(entry: Entry) -> Entry:
    """A held entry without what the catalog adds to it."""
    plain = type(entry)()
    plain.MergeFrom(entry)  # type: ignore[arg-type]  # of the same type
    added = {"state", "etag", "update_time", "version", "provider_code", "last_publish_time"}
    for one in type(entry).DESCRIPTOR.fields:
        if one.name in added or one.name in ("fresh_until", "stale"):
            plain.ClearField(one.name)  # type: ignore[arg-type]  # a field of this message
    return plain
