"""A department's directory: read, judged, compared. Plain functions, no I/O but the given rows.

How rows become an entry is in `guide`.

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
from flows import columns, guide
from flows.cells import Refusal
from flows.differences import changed_fields
from flows.tables import Row
from runtime.errors import FailedPrecondition, FieldViolation

Entry = pb.DataResource | pb.ServiceItem

_CHANGE = re.compile(r"changes\[(\d+)\]\.(?:put_\w+\.)?(.*)")

#: In the heading of both kinds of files.
NEEDED_COLUMNS = ("部门标识",)
RESOURCE_COLUMNS = (
    "部门标识", "资源标识", "信息资源分类", "信息资源名称", "信息资源代码", "信息资源提供方",
    "信息资源提供方代码", "信息资源摘要", "信息资源格式", "信息项代码", "信息项名称", "数据类型",
    "数据长度", "主键", "必填", "个人信息", "标准", "共享类型", "共享条件", "共享方式",
    "是否向社会开放", "更新周期", "发布日期", "关联资源代码",
)  # fmt: skip
#: Of these, those that each row says anew; all others are of the resource, and its first row says.
ITEM_COLUMNS = (
    "信息项代码", "信息项名称", "数据类型", "数据长度", "主键", "必填", "个人信息", "标准",
)  # fmt: skip
SERVICE_ITEM_COLUMNS = ("部门标识", "事项编码", "部门名称", "办件类型", "项目名称", "备注")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reject:
    """A row that was not taken: where it is, what it is about, and why."""

    file: str
    line: int
    entry: str
    reason: str
    detail: str
    detail_zh: str
    #: The rows of its entry, for who corrects them.
    rows: tuple[Row, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Directory:
    """What files say: entries by name, rejects, and names that rejects keep as they are held."""

    entries: Mapping[str, Entry]
    rejects: tuple[Reject, ...] = ()
    kept: frozenset[str] = frozenset()
    #: File and line of each entry.
    places: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    #: Rows of each entry.
    rows: Mapping[str, tuple[Row, ...]] = field(default_factory=dict)
    #: Fields of each entry that its file has no column for: they stay as they are held.
    unsaid: Mapping[str, frozenset[str]] = field(default_factory=dict)
    #: Resources that a file says answer unsigned requests; of all others what is held stays, since
    #: a source that does not know of signatures would else switch them off.
    unsigned: frozenset[str] = frozenset()


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
        lambda group: guide.resource(group, departments),
        lambda row: f"departments/{row.cells['部门标识']}/resources/{row.cells['资源标识']}",
    )


def read_service_items(
    rows: Sequence[Row], *, file: str, departments: Mapping[str, pb.Department]
) -> Directory:
    """Service items, one a row."""
    return _collect(
        file,
        [([row], "事项编码") for row in rows],
        lambda group: guide.service_item(group[0], departments),
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
    unsigned: frozenset[str] = frozenset()
    rows: dict[str, tuple[Row, ...]] = {}
    for directory in directories:
        rows = {**directory.rows, **rows}
        unsigned |= directory.unsigned
        places = {**directory.places, **places}
        unsaid = {**directory.unsaid, **unsaid}
        for name, entry in directory.entries.items():
            if name in entries and entries[name] != entry:
                rejects.append(
                    Reject(file="", line=0, entry=name, reason="DUPLICATE_CODE",
                           detail="two files describe this entry differently",
                           detail_zh="两个文件对该条目的描述不一致",
                           rows=directory.rows.get(name, ()))
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
        rows=rows,
        unsaid=unsaid,
        unsigned=unsigned,
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
                       detail=detail, detail_zh=f"目录服务拒收：{detail}",
                       rows=wanted.rows.get(name, ()))
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
        if _keeps_signing(directory, name, held.get(name)):
            unsaid |= {"signed_requests"}
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


def _keeps_signing(directory: Directory, name: str, held: Entry | None) -> bool:
    entry = directory.entries[name]
    if not isinstance(entry, pb.DataResource) or not isinstance(held, pb.DataResource):
        return False
    return not entry.signed_requests and name not in directory.unsigned


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
    unsigned: set[str] = set()
    rows: dict[str, tuple[Row, ...]] = {}
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
            rows[name] = tuple(group)
            unsaid[name] = _unsaid(entry, first.cells)
            if columns.takes_unsigned(first.cells):
                unsigned.add(name)
        except Refusal as refusal:
            kept.add(name)
            line = getattr(refusal, "line", first.line)
            rejects.append(
                Reject(file=file, line=line, entry=name, reason=refusal.reason,
                       detail=refusal.detail, detail_zh=refusal.detail_zh, rows=tuple(group))
            )  # fmt: skip
    return Directory(
        entries=entries,
        rejects=tuple(rejects),
        kept=frozenset(kept - set(entries)),
        places=places,
        rows=rows,
        unsaid=unsaid,
        unsigned=frozenset(unsigned),
    )


def _unsaid(entry: Entry, cells: Mapping[str, str]) -> frozenset[str]:
    """The fields of an entry that its file has no column for."""
    if isinstance(entry, pb.ServiceItem):
        return columns.unsaid(columns.SERVICE_ITEM, cells)
    of_items = {f"items.{name}" for name in columns.unsaid(columns.ITEM, cells)}
    said = {"legal_basis"} if entry.legal_basis else set()
    return (columns.unsaid(columns.RESOURCE, cells) | of_items) - said


def _plain(entry: Entry) -> Entry:
    """A held entry without what the catalog adds to it."""
    plain = type(entry)()
    plain.MergeFrom(entry)  # type: ignore[arg-type]  # of the same type
    added = {"state", "etag", "update_time", "version", "provider_code", "last_publish_time"}
    for one in type(entry).DESCRIPTOR.fields:
        if one.name in added or one.name in ("fresh_until", "stale"):
            plain.ClearField(one.name)  # type: ignore[arg-type]  # a field of this message
    return plain
