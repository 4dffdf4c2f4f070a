"""Manifests, reports of checks and certificates of destruction, as pages to be sealed.

Lines of text on A4, nothing else: what is sealed here is read for decades.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from licenses.archiving.model import PROPERTY_WORDS, RETENTION_WORDS, Archive, Property, Retention
from licenses.archiving.package import MANIFEST
from licenses.pages.fonts import face
from licenses.pages.layout import wrap
from licenses.pages.model import Attachment, Document, Page, Text
from licenses.pages.pdf import write_pdf
from runtime.clock import CHINA
from runtime.retention import OBJECT_LOCK, WRITE_ONCE

WIDTH: Final = 210.0
HEIGHT: Final = 297.0
_MARGIN: Final = 22.0
_SIZE: Final = 3.8
_LEADING: Final = 6.6
#: Ems of a line. A name or a digest is not broken where it fits in one.
_LINE: Final = 42
_LOCKS: Final = {OBJECT_LOCK: "对象存储锁定", WRITE_ONCE: "一次写入（由本程序防改删）"}
_BOTTOM: Final = 60.0
#: Where the seal stands: x and y of its corner on the last page, and its width, mm.
SEAL_BOX: Final = (148.0, 240.0, 40.0)


def manifest(data: bytes, facts: Mapping[str, str], department: str) -> tuple[bytes, int]:
    """The page that carries a package's manifest as a PDF, and its last page.

    `facts` are the manifest's own: subject, kind, when it was archived, how long it is kept.
    """
    at = datetime.fromisoformat(facts["archived"])
    lines = [
        f"归档部门：{department}",
        f"归档对象：{facts['subject']}",
        f"归档时间：{_day(at)}",
        f"保管期限：{RETENTION_WORDS[Retention(facts['retention'])]}",
        f"清单 SHA-256：{hashlib.sha256(data).hexdigest()}",
        "",
        "清单（manifest.json）列明归档包内全部文件的名称、大小和 SHA-256，作为本文件的附件，",
        "与归档包内的清单逐字节相同。",
    ]
    attached = Attachment(name=MANIFEST, media_type="application/json", data=data)
    return _pages("电子档案归档包清单", department, lines, at, attached)


def checked(archives: Sequence[Archive], department: str, at: datetime) -> tuple[bytes, int]:
    """The report of checks as a PDF, and its last page."""
    failed = [one for one in archives if not one.passed]
    lines = [
        f"检测部门：{department}",
        f"检测时间：{_day(at)}",
        f"归档包：{len(archives)} 个，全部通过 {len(archives) - len(failed)} 个，"
        f"未通过 {len(failed)} 个",
        "",
    ]
    for one in archives:
        lines += [
            f"归档包：{one.name}",
            f"归档对象：{one.subject}",
            f"SHA-256：{one.sha256}",
            f"保管期限：{RETENTION_WORDS[one.retention]}　"
            f"留存方式：{_LOCKS.get(one.locked_by, one.locked_by)}",
        ]
        for what in Property:
            found = [finding for finding in one.findings if finding.property is what]
            good = bool(found) and all(finding.passed for finding in found)
            lines.append(
                f"　{PROPERTY_WORDS[what]}：{'通过' if good else '未通过'}（{len(found)} 项）"
            )
            lines += [
                f"　　未通过：{finding.detail_zh}（{finding.name}）"
                for finding in found
                if not finding.passed
            ]
        lines.append("")
    return _pages("电子档案四性检测报告", department, lines, at)


def destroyed(archive: Archive, department: str) -> tuple[bytes, int]:
    """The certificate of destruction of what was claimed as a PDF, and its last page."""
    if archive.destroy_time is None:
        raise ValueError("an archive that nobody claimed to destroy")
    at = archive.destroy_time
    lines = [
        f"归档包：{archive.name}",
        f"归档对象：{archive.subject}",
        f"SHA-256：{archive.sha256}",
        f"大小：{archive.size} 字节",
        f"归档时间：{_day(archive.archive_time)}",
        f"保管期限：{RETENTION_WORDS[archive.retention]}"
        + (f"，至 {_day(archive.retain_until)}" if archive.retain_until else ""),
        f"销毁事由：{archive.asked_reason}",
        f"申请人：{archive.asked_by}",
        f"申请时间：{_day(archive.asked_time) if archive.asked_time else ''}",
        f"审批人：{archive.destroyed_by}",
        f"销毁时间：{_day(at)}",
        "",
        "上述归档包已从留存的对象存储中删除。本证明只涉及归档包本身，",
        "不涉及业务系统中的证照或办件记录。",
    ]
    return _pages("电子档案销毁证明", department, lines, at)


def _pages(
    title: str, author: str, lines: Sequence[str], at: datetime, *attachments: Attachment
) -> tuple[bytes, int]:
    regular = face("regular")
    wrapped = [
        row
        for line in lines
        for row in wrap(line, _LINE, lambda one: regular.advance(one) if one.isascii() else 1.0)
    ]
    room = int((HEIGHT - _BOTTOM - 48) / _LEADING)
    parts = [wrapped[start : start + room] for start in range(0, len(wrapped), room)] or [[]]
    pages = tuple(
        Page(
            width=WIDTH,
            height=HEIGHT,
            items=(
                Text(x=_MARGIN, y=30.0, text=title, size=6.5, font="bold"),
                *(
                    Text(x=_MARGIN, y=44.0 + row * _LEADING, text=line, size=_SIZE)
                    for row, line in enumerate(part)
                    if line
                ),
                Text(x=_MARGIN, y=285.0, text=f"第 {number} 页，共 {len(parts)} 页", size=3.2),
            ),
        )
        for number, part in enumerate(parts, 1)
    )
    document = Document(
        pages=pages, title=title, author=author, created=at, attachments=attachments
    )
    return write_pdf(document), len(pages)


def _day(at: datetime) -> str:
    return at.astimezone(CHINA).strftime("%Y-%m-%d %H:%M:%S")
