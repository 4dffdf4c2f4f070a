"""Whether the files that a signer saw are there and unchanged."""

from __future__ import annotations

from collections import Counter
from typing import Final

from seal.judging.telling import comparing, paths_shown, plain
from seal.model import Check, failed, passed, undetermined
from seal.ofd import against
from seal.ofd.check_method import check_method, is_usual
from seal.ofd.opened import OpenedDocument, OpenedSignature
from seal.ofd.package import PackageError
from seal.suites import SM3_OID

_NAME: Final = "references"


@comparing(against.references)
def check_references(document: OpenedDocument, one: OpenedSignature) -> Check | None:
    """Every file the signer saw is there and unchanged.

    But for the signature's own seal file, which is compared with the signed seal (`seal_match`).
    """
    method = check_method(one.xml.check_method)
    if isinstance(method, Check):
        return method
    paths = [reference.path for reference in one.xml.references]
    if not paths:
        return failed(_NAME, "the signature refers to no file", "签章未引用任何文件")
    if len(set(paths)) != len(paths):
        twice = [path for path, count in Counter(paths).items() if count > 1]
        return failed(
            _NAME,
            f"the signature refers to a file twice: {paths_shown(twice)}",
            f"签章重复引用文件：{paths_shown(twice)}",
            reason="REFERENCES_REPEATED",
        )
    missing = [path for path in paths if path not in document.package]
    try:
        changed = _changed(document, one, method)
    except PackageError as error:
        reason = "TOO_LARGE_TO_JUDGE"
        return undetermined(_NAME, error.message, error.message_zh, reason=reason)
    if missing or changed:
        found = [("changed after signing", "签章后被修改", changed), ("missing", "缺失", missing)]
        return failed(
            _NAME,
            "; ".join(f"{word}: {paths_shown(paths)}" for word, _, paths in found if paths),
            "；".join(f"{word}：{paths_shown(paths)}" for _, word, paths in found if paths),
        )
    by, by_zh = _told(one.xml.check_method, method)
    return passed(
        _NAME,
        f"{len(paths)} files are as signed{by}",
        f"{len(paths)} 个文件与签章时一致{by_zh}",
        notice=bool(by),
    )


def _told(written: str, method: str) -> tuple[str, str]:
    """What is worth a notice of a CheckMethod; empty for nothing."""
    told, told_zh = "", ""
    if method != SM3_OID:
        told, told_zh = " (by a digest other than SM3)", "（摘要算法不是 SM3）"
    if not is_usual(written):
        told += f"; the digest is spelled {plain(written)!a}, which is nobody's standard"
        told_zh += f"；摘要算法写作“{plain(written)}”，不合标准，但含义唯一"
    return told, told_zh


def _changed(document: OpenedDocument, one: OpenedSignature, method: str) -> list[str]:
    """The files that are there and of another digest. Raises PackageError (`package_limits`)."""
    return [
        reference.path
        for reference in one.xml.references
        if reference.path in document.package
        and (one.value is None or reference.path != one.xml.seal)
        and document.digest_of(reference.path, method) != reference.check_value
    ]
