"""Chinese parts of English pages, marked as such (WCAG 2.2, 3.1.2).

What people and departments are called, purposes and answers are Chinese on every page; a screen
reader reads them as Chinese where the page says so. It is said here for all pages at once: an
element whose text is Chinese gets `lang`, and Chinese within an English text a `span` with it.
"""

from __future__ import annotations

import re
from typing import Final

_TOKEN: Final = re.compile(r"(<[^>]*>)")
_OPENING: Final = re.compile(r"<([a-zA-Z][a-zA-Z0-9]*)\b([^>]*?)(/?)>")
_HAN: Final = re.compile(r"[\u3400-\u9fff]")
#: A run of Chinese, with what stands between its characters.
_RUN: Final = re.compile(
    r"[\u3000-\u303f\uff00-\uffef\u201c\u201d\u3400-\u9fff]*[\u3400-\u9fff]"
    r"(?:[0-9\s·]*[\u3000-\u303f\uff00-\uffef\u201c\u201d\u3400-\u9fff]+)*"
)
_LATIN: Final = re.compile(r"[A-Za-z]{2}")
_ENTITY: Final = re.compile(r"&#?\w+;")
#: In these an element is no child, so that only the element itself is marked.
_TEXT_ONLY: Final = frozenset({"option", "title", "textarea", "text", "desc", "tspan"})
_ROWS: Final = frozenset({"a", "button", "summary"})
#: Whose content is no text.
_RAW: Final = frozenset({"script", "style"})
_VOID: Final = frozenset(
    {"area", "base", "br", "col", "hr", "img", "input", "link", "meta", "source", "wbr"}
)


def with_chinese_marked(page: str) -> str:
    """The page with `lang="zh-CN"` where it is Chinese."""
    parts = _TOKEN.split(page)
    open_tags: list[tuple[str, bool]] = []
    for place, part in enumerate(parts):
        if place % 2:
            _follow(open_tags, part)
        elif _HAN.search(part) and not (open_tags and open_tags[-1][1]):
            _mark(parts, place, open_tags[-1][0] if open_tags else "")
    return "".join(parts)


def _follow(open_tags: list[tuple[str, bool]], tag: str) -> None:
    """Note an element that begins or ends; with each, whether it needs no mark any more."""
    opening = _OPENING.fullmatch(tag)
    if opening:
        name = opening[1].lower()
        if opening[3] or name in _VOID:
            return
        inherited = open_tags[-1][1] if open_tags else False
        told = ' lang="zh' in tag or name in _RAW
        english = ' lang="en' in tag
        open_tags.append((name, (inherited or told) and not english))
    elif tag.startswith("</"):
        name = tag[2:-1].strip().lower()
        while open_tags and open_tags.pop()[0] != name:
            pass


def _mark(parts: list[str], place: int, element: str) -> None:
    text, before = parts[place], parts[place - 1] if place else ""
    after = parts[place + 1] if place + 1 < len(parts) else ""
    alone = before.startswith(f"<{element}") and after.startswith("</")
    chinese = not _LATIN.search(_ENTITY.sub("", text))
    if alone and " lang=" not in before and (chinese or element in _TEXT_ONLY):
        if chinese:
            parts[place - 1] = f'{before[:-1]} lang="zh-CN">'
        return
    if element not in _TEXT_ONLY:
        marked = _RUN.sub(r'<span lang="zh-CN">\g<0></span>', text)
        # What lays its children out beside each other keeps the text as one of them.
        parts[place] = f"<span>{marked}</span>" if element in _ROWS else marked
