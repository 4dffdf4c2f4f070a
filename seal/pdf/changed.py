"""What an update of a signed PDF changed, in words: which objects, what they are, on which page.

It is told where an update is refused, beside the rule that refuses it (`seal.pdf.revisions`): a
person has to find what was changed. It judges nothing, and never raises on what the file holds.
"""

# The PDF library publishes no types.
# mypy: disable-error-code=no-untyped-call

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from pyhanko.pdf_utils import generic

from seal.judging.plainly import plain
from seal.pdf.entries import Key, entry, key_of

_TOLD: Final = 3
_MAX_OBJECTS: Final = 10_000
_MAX_PAGES: Final = 5_000
_MAX_DEPTH: Final = 16
_PARTS: Final = {
    "/Contents": ("the content of page {}", "第 {} 页内容"),
    "/Annots": ("an annotation of page {}", "第 {} 页批注"),
    "/Resources": ("what page {} is made of", "第 {} 页资源"),
}
_TYPES: Final = {
    "/Catalog": ("the catalog", "文档目录"),
    "/Pages": ("the list of pages", "页面列表"),
    "/Page": ("a page", "页面"),
    "/Font": ("a font", "字体"),
    "/FontDescriptor": ("a font", "字体"),
    "/Image": ("a picture", "图像"),
    "/Form": ("a drawing", "图形"),
    "/Metadata": ("the metadata", "元数据"),
    "/Sig": ("a signature", "签名"),
    "/DocTimeStamp": ("a time-stamp", "时间戳"),
    "/Filespec": ("an attached file", "附件"),
    "/EmbeddedFile": ("an attached file", "附件"),
    "/Annot": ("an annotation", "批注"),
    "/Action": ("an action", "动作"),
    "/OCG": ("a layer", "图层"),
    "/Outlines": ("the bookmarks", "书签"),
    "/DSS": ("the store of evidence", "验证资料库"),
}
_NAMED: Final = {
    "/AcroForm": ("the form", "表单"),
    "/Names": ("the list of names", "名称列表"),
    "/OCProperties": ("the layers", "图层"),
    "/Info": ("the information", "文档信息"),
    "/Metadata": ("the metadata", "元数据"),
    "/DSS": ("the store of evidence", "验证资料库"),
}

Words = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What was changed in words; `fills` where a field of the form that is no signature was."""

    told: str = ""
    told_zh: str = ""
    fills: bool = False


def changes_between(old: Any, new: Any) -> Changes:
    """What the update from one revision to the next changed, the first of it in words."""
    try:
        return _changes(old, new)
    except Exception:  # noqa: BLE001  (the library raises anything on hostile bytes)
        return Changes()


def _changes(old: Any, new: Any) -> Changes:
    refs = sorted(new.explicit_refs_in_revision(), key=key_of)[:_MAX_OBJECTS]
    held = {key_of(ref): (_at(old, ref), _at(new, ref)) for ref in refs}
    gone = [key_of(ref) for ref in new.refs_freed_in_revision() if _at(old, ref) is not None]
    changed = [key for key, (was, now) in held.items() if was is not None and _differ(was, now)]
    added = [key for key, (was, _) in held.items() if was is None]
    places = dict(_places(old)) | dict(_places(new))
    # What readers set with every update, its dates, is told last.
    last = {key_of(new.root_ref), *_led_to_by(new.trailer_view, "/Info")}
    changed.sort(key=lambda key: key in last)
    fields = [held[key] for key in changed if _is_filled(*held[key])]
    words: list[str] = []
    words_zh: list[str] = []
    for verb, verb_zh, keys in (
        ("changed", "修改", changed), ("taken out", "删除", gone), ("added", "新增", added),
    ):  # fmt: skip
        if keys and not (verb == "added" and words):
            told = [_told(key, held.get(key, (None, None)), places) for key in keys[:_TOLD]]
            more = f" and {len(keys) - _TOLD} more" if len(keys) > _TOLD else ""
            more_zh = f"等 {len(keys)} 个" if more else ""
            words.append(f"{verb}: {', '.join(one for one, _ in told)}{more}")
            words_zh.append(f"{verb_zh}：{'、'.join(one for _, one in told)}{more_zh}")
    return Changes(told="; ".join(words), told_zh="；".join(words_zh), fills=bool(fields))


def _at(view: Any, ref: Any) -> Any:
    """The object, or None where there is none."""
    try:
        return view.get_object(ref)
    except Exception:  # noqa: BLE001  (as above)
        return None


def _differ(was: Any, now: Any) -> bool:
    streams = [getattr(one, "encoded_data", None) for one in (was, now)]
    return type(was) is not type(now) or bool(was != now) or streams[0] != streams[1]


def _is_filled(was: Any, now: Any) -> bool:
    both = isinstance(was, dict) and isinstance(now, dict)
    return both and entry(now, "/FT") != "/Sig" and was.get("/V") != now.get("/V")


def _told(key: Key, held: tuple[Any, Any], places: dict[Key, Words]) -> Words:
    """An object: its number, what it is, and which of its entries differ."""
    was, now = held
    what, what_zh = places.get(key) or _kind(now if now is not None else was)
    entries = _entries(was, now)
    return f"object {key[0]} ({what}{entries})", f"对象 {key[0]}（{what_zh}{entries}）"


def _entries(was: Any, now: Any) -> str:
    if not isinstance(was, dict) or not isinstance(now, dict):
        return ""
    differ = [
        plain(str(name))
        for name in sorted({*was.keys(), *now.keys()})
        if name != "/Length" and _raw(was, name) != _raw(now, name)
    ]
    return f" {' '.join(differ[:_TOLD])}" if differ else ""


def _raw(held: Any, name: str) -> Any:
    return held.raw_get(name) if name in held else None


def _kind(held: Any) -> Words:
    if not isinstance(held, generic.DictionaryObject):
        return ("a list", "列表") if isinstance(held, generic.ArrayObject) else ("a value", "数值")
    field = _field(held)
    if field:
        return f"form field '{field}'", f"表单域“{field}”"
    for name in ("/Subtype", "/Type"):
        found = _TYPES.get(str(entry(held, name)))
        if found:
            return found
    if "/S" in held and ("/JS" in held or "/D" in held or "/URI" in held):
        return _TYPES["/Action"]
    is_stream = isinstance(held, generic.StreamObject)
    return ("a stream", "数据流") if is_stream else ("a dictionary", "字典")


def _field(held: Any) -> str:
    """The whole name of the field that a dictionary is, or shows."""
    names: list[str] = []
    for _ in range(_MAX_DEPTH):
        if "/T" in held:
            names.append(str(entry(held, "/T")))
        if "/Parent" not in held or ("/Kids" in held and "/T" not in held):
            break
        held = entry(held, "/Parent")
    return plain(".".join(reversed(names)))


def _places(view: Any) -> Iterator[tuple[Key, Words]]:
    """What the catalog and the pages lead to, at their first step."""
    for held, name in ((view.trailer_view, "/Info"), *((view.root, one) for one in _NAMED)):
        for key in _led_to_by(held, name):
            yield key, _NAMED[name]
    yield key_of(view.root_ref), _TYPES["/Catalog"]
    for number, (ref, page) in enumerate(islice(_pages(view.root["/Pages"], set()), _MAX_PAGES), 1):
        yield ref, (f"page {number}", f"第 {number} 页")
        for name, (words, words_zh) in _PARTS.items():
            if name in page:
                for one in _led_to(page.raw_get(name)):
                    yield one, (words.format(number), words_zh.format(number))


def _led_to_by(held: Any, name: str) -> list[Key]:
    raw = held.raw_get(name) if name in held else None
    return [key_of(raw)] if isinstance(raw, generic.IndirectObject) else []


def _pages(node: Any, seen: set[Key]) -> Iterator[tuple[Key, Any]]:
    for kid in node["/Kids"]:
        key = key_of(kid)
        if key in seen or len(seen) > _MAX_OBJECTS:
            return
        seen.add(key)
        held = kid.get_object()
        if "/Kids" in held:
            yield from _pages(held, seen)
        else:
            yield key, held


def _led_to(raw: Any) -> Iterator[Key]:
    """An entry's own object and those that it lists; of annotations, fields have names."""
    held = raw
    if isinstance(raw, generic.IndirectObject):
        yield key_of(raw)
        held = raw.get_object()
    if isinstance(held, generic.ArrayObject):
        for number in range(min(len(held), _MAX_PAGES)):
            one = held.raw_get(number)
            if isinstance(one, generic.IndirectObject) and not _is_field(one):
                yield key_of(one)


def _is_field(ref: Any) -> bool:
    held = ref.get_object()
    return isinstance(held, dict) and bool(_field(held))
