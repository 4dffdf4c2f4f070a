"""What is wrong with a catalog's file: all of it at once, with its places, in two languages."""

from __future__ import annotations

from dataclasses import dataclass

from runtime.errors import FieldViolation, InvalidArgument

GREATEST_FILE = 64 * 1024 * 1024
GREATEST_PROBLEMS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong: where (`信息资源!L7 共享类型`), and what."""

    where: str
    reason: str
    detail: str
    detail_zh: str


class Problems:
    """Those found so far; more than `GREATEST_PROBLEMS` are counted only."""

    def __init__(self) -> None:
        self.found: list[Problem] = []
        self.count = 0

    def add(self, where: str, reason: str, detail: str, detail_zh: str) -> None:
        """Note one."""
        self.count += 1
        if len(self.found) < GREATEST_PROBLEMS:
            self.found.append(
                Problem(where=where, reason=reason, detail=detail, detail_zh=detail_zh)
            )

    def refuse(self) -> None:
        """Raises InvalidArgument (CATALOG_FILE_INVALID), with every problem, if there is one."""
        if not self.count:
            return
        raise InvalidArgument(
            f"the file has {self.count} faults, and nothing of it was taken: correct the places "
            "listed and repeat",
            reason="CATALOG_FILE_INVALID",
            message_zh=f"文件有 {self.count} 处错误，未导入任何内容：请更正所列之处后重试",
            violations=[
                FieldViolation(one.where, f"{one.reason} {one.detail} / {one.detail_zh}")
                for one in self.found
            ],
        )


def unreadable(what: str, what_zh: str) -> InvalidArgument:
    """The refusal of a file that is no catalog at all."""
    return InvalidArgument(
        f"the file {what}: export it again, or give one that `tongban catalog export` wrote",
        reason="CATALOG_FILE_INVALID",
        message_zh=f"文件{what_zh}：请重新导出，或使用 tongban catalog export 生成的文件",
    )
