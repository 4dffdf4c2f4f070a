"""Whether the pages of a PDF are the same for every reader (ISO 32000-2 §7.7.3).

Readers walk the tree of pages, or count by what its nodes say; go by `/Type`, or by `/Kids`; and
take what a page inherits from the node that lists it, or from the one that it names. So:

1. No node is listed twice, nor above itself; a page may be (some makers repeat one so).
2. What is a node by its type is one by its `/Kids`, and a page has none.
3. `/Count` is the number of pages below.
4. A page or node that inherits names the node that lists it.
5. A signed file is not arranged for the web (ISO 32000-2 Annex F): readers go by its hints then. A
   signature is added to a file, so what was so arranged has not the length that it says any more.
"""

# The PDF library publishes no types.
# mypy: disable-error-code=no-untyped-call

from __future__ import annotations

import re
from typing import Any, Final

from pyhanko.pdf_utils import generic

from seal.pdf.entries import Key, entry, key_of
from seal.pdf.one_reading import TwoReadings
from seal.pdf.reading import PlainReader

_MOST: Final = 100_000
_DEEPEST: Final = 128
_IDLE: Final = rb"(?:[\x00\t\n\f\r ]|%[^\r\n]*+[\r\n])"
_FIRST: Final = re.compile(
    _IDLE + rb"*+(\d{1,10})" + _IDLE + rb"++(\d{1,5})" + _IDLE + rb"*+obj" + _IDLE + rb"*+"
)
_INHERITED: Final = ("/Resources", "/MediaBox", "/CropBox", "/Rotate")


def check_hints(reader: PlainReader, data: bytes) -> None:
    """Rule 5. Raises TwoReadings."""
    head = _FIRST.match(data)
    if head is None:
        return
    number, generation = int(head[1]), int(head[2])
    held: Any = reader.plain(head.start(1), number, generation)
    if held is None:
        reader.stream.seek(head.end())
        ref = generic.Reference(number, generation, pdf=reader)
        held = generic.read_object(reader.stream, container_ref=ref)
    is_linear = isinstance(held, generic.DictionaryObject) and "/Linearized" in held
    if is_linear and entry(held, "/L") == len(data):
        raise _otherwise(
            "is not the only one: it says that it is arranged for the web, signature and all",
            "之外另有线性化提示表",
        )


def check_pages(root: Any) -> None:
    """Hold the tree of pages against the rules above. Raises TwoReadings."""
    raw = root.raw_get("/Pages")
    if not isinstance(raw, generic.IndirectObject):
        raise _otherwise("has no object of its own", "根节点不是独立对象")
    _Walk().pages(raw, frozenset(), 0)


class _Walk:
    def __init__(self) -> None:
        self._nodes: set[Key] = set()
        self._seen = 0

    def pages(self, raw: Any, above: frozenset[str], depth: int) -> int:
        """How many pages are below a node; `above` is what may be inherited."""
        key, node = key_of(raw), raw.get_object()
        if key in self._nodes or depth > _DEEPEST:
            raise _otherwise("leads back to itself, or is too deep", "出现循环或层次过深")
        self._nodes.add(key)
        below = above | {name for name in _INHERITED if name in node}
        count = 0
        kids = node["/Kids"]
        for number in range(len(kids)):
            kid = kids.raw_get(number)
            self._seen += 1
            if self._seen > _MOST or not isinstance(kid, generic.IndirectObject):
                raise _otherwise("lists too much, or what is no object", "条目过多或不是独立对象")
            held = kid.get_object()
            is_node = "/Kids" in held
            if entry(held, "/Type", "/Pages" if is_node else "/Page") == "/Pages" and not is_node:
                raise _otherwise("has a node without pages", "含有没有下级的节点")
            if is_node and entry(held, "/Type", "/Pages") != "/Pages":
                raise _otherwise("has a page that lists pages", "含有列出下级的页面")
            _check_parent(held, key, below)
            count += self.pages(kid, below, depth + 1) if is_node else 1
        if int(node["/Count"]) != count:
            raise _otherwise("says another number of pages than it has", "所示页数与实际不符")
        return count


def _check_parent(held: Any, key: Key, above: frozenset[str]) -> None:
    """Rule 4."""
    raw = held.raw_get("/Parent") if "/Parent" in held else None
    if isinstance(raw, generic.IndirectObject) and key_of(raw) == key:
        return
    if any(name not in held for name in above) or (raw is not None and _lends(raw, held)):
        raise _otherwise("has a page that names another parent", "含有上级节点不符的页面")


def _lends(raw: Any, held: Any) -> bool:
    """Whether another parent has what a page has not."""
    other = raw.get_object()
    return any(name in other and name not in held for name in _INHERITED)


def _otherwise(what: str, what_zh: str) -> TwoReadings:
    return TwoReadings(
        "PDF_PAGE_TREE",
        f"its list of pages {what}: readers may show other pages",
        f"页面列表{what_zh}，不同阅读器显示的页面可能不同",
    )
