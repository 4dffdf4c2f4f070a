r"""The sheets of the guide's workbook: their columns, and how a text stands in a cell.

1. Every cell is text, marked so: what begins with = + - @ is never a formula.
2. A character that a workbook cannot hold, a blank at a cell's edge and the escape's own form are
   written as `_xHHHH_`, the escape of ECMA-376 (part 1, §22.9.2.19, ST_Xstring).
3. A list in one cell has a line for each; a line break within one is `\n`, a backslash `\\`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import TypeVar

from exchange.v1 import catalog_pb2 as pb
from flows import columns
from flows.directory import RESOURCE_COLUMNS
from flows.guide import BASE_LIBRARIES, CATEGORIES, CYCLES, FORMATS, MODES, SHARING, TYPES

Word = TypeVar("Word")

DEPARTMENTS = "部门"
RESOURCES = "信息资源"
VALUES = "值域"
SERVICE_ITEMS = "政务服务事项"
MATERIALS = "申请材料"
FEES = "收费项目"

#: Of a resource, repeated in each of its items' rows: of the guide, then of ours.
OF_RESOURCE = (
    *("部门标识", "资源标识", "信息资源分类", "信息资源名称", "信息资源代码", "信息资源提供方"),
    *("信息资源提供方代码", "信息资源摘要", "信息资源格式", "共享类型", "共享条件", "共享方式"),
    *("是否向社会开放", "更新周期", "发布日期", "关联资源代码"),
    *columns.RESOURCE.values(),
)
_OF_ITEM = ("信息项说明", "敏感级别", "数据元", "值域标准")

COLUMNS = {
    RESOURCES: (*RESOURCE_COLUMNS, *columns.RESOURCE.values(), *_OF_ITEM),
    SERVICE_ITEMS: (
        *("部门标识", "事项标识", "事项编码", "部门名称", "办件类型", "项目名称", "事项类型"),
        *("设定依据", "行使层级", "受理条件", "服务对象", "法定时限", "承诺时限", "时限单位"),
        *("收费标准", "备注"),
    ),
    MATERIALS: (
        *("部门标识", "事项标识", "材料名称", "材料形式", "份数", "是否必要", "来源"),
        *("可替代证照类型", "可替代资源", "可替代信息项"),
    ),
    FEES: ("部门标识", "事项标识", "收费名称", "金额", "计费单位", "收费依据"),
    VALUES: ("部门标识", "资源标识", "信息项代码", "取值", "含义"),
    DEPARTMENTS: (
        *("部门标识", "部门名称", "统一社会信用代码", "行政区划代码", "行政层级", "上级部门标识"),
    ),
}  # fmt: skip

LEVELS = {"": pb.DEPARTMENT_LEVEL_UNSPECIFIED, **columns.LEVELS}
DAYS = {"工作日": False, "自然日": True}
YES = {"是": True, "否": False}
CHARGED, FREE = "收费", columns.FREE

_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")
#: Where a text would read like the beginning of an escape, whatever follows.
_LOOKS_ESCAPED = re.compile(r"_(?=x[0-9A-Fa-f]{4})")
#: What XML 1.0 cannot say, and what readers turn into something else.
_UNWRITABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x84\x86-\x9f\ufdd0-\ufdef\ufffe\uffff\r]")
_LISTED = re.compile(r"\\(.)")


def turned(table: dict[str, Word]) -> dict[Word, str]:
    """Words by what they mean."""
    return {meaning: word for word, meaning in table.items()}


SENSITIVITY_WORDS = turned(columns.SENSITIVITIES)
CATEGORY_WORDS, LIBRARY_WORDS = turned(CATEGORIES), turned(BASE_LIBRARIES)
FORMAT_WORDS, SHARING_WORDS, TYPE_WORDS = turned(FORMATS), turned(SHARING), turned(TYPES)
MODE_WORDS, CYCLE_WORDS, YES_WORDS = turned(MODES), turned(CYCLES), turned(YES)
ITEM_TYPE_WORDS, LEVEL_WORDS = turned(columns.ITEM_TYPES), turned(LEVELS)
AUDIENCE_WORDS, KIND_WORDS = turned(columns.AUDIENCES), turned(columns.KINDS)
DAYS_WORDS = turned(DAYS)


@lru_cache(maxsize=4096)  # a resource's cells are repeated
def to_cell(text: str) -> str:
    """A text as a cell holds it."""
    text = _LOOKS_ESCAPED.sub("_x005F_", text)
    text = _UNWRITABLE.sub(_escape, text)
    edge = len(text) - len(text.lstrip())
    if edge:
        text = "".join(map(_escaped, text[:edge])) + text[edge:]
    tail = len(text.rstrip())
    return text[:tail] + "".join(map(_escaped, text[tail:]))


@lru_cache(maxsize=4096)
def from_cell(cell: str) -> str:
    """The text that a cell holds; blanks at its edges are somebody's slip."""
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), cell.strip())


def lines(texts: Sequence[str]) -> str:
    """A list as one text."""
    return "\n".join(text.replace("\\", "\\\\").replace("\n", "\\n") for text in texts)


def of_lines(text: str) -> list[str]:
    """The list that a text says; empty lines say nothing."""
    found = (line for line in text.split("\n") if line)
    return [_LISTED.sub(lambda m: "\n" if m[1] == "n" else m[1], line) for line in found]


def _escape(found: re.Match[str]) -> str:
    return _escaped(found[0])


def _escaped(character: str) -> str:
    return f"_x{ord(character):04X}_"
