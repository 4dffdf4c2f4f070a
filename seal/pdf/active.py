"""What a PDF does, or shows otherwise, by itself: told of a signed document, never refused.

A signature covers a script, a layer or a picture that is fetched from elsewhere, and not what
becomes of it on the reader's screen or paper (ISO 32000-2 §12.6, §8.11, §8.10.4, §7.3.8.2,
§12.5.3). Well-meaning makers use all of them; whoever relies on what is seen has to know.

The document is walked from its catalog, breadth first, so what acts on opening comes early; what
is too large to be walked is told. It never raises on what the file holds. What a resource or a look
is named says nothing: whoever writes the document chooses those names (§7.8.3).
"""

# The PDF library publishes no types.
# mypy: disable-error-code=no-untyped-call

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any, Final

from pyhanko.pdf_utils import generic

from seal.model import Check, passed
from seal.pdf.entries import Key, entry, key_of

_MAX_OBJECTS: Final = 10_000
_MAX_VALUES: Final = 200_000
_NAME: Final = "active_content"
_SCRIPT: Final = ("a script (JavaScript)", "脚本（JavaScript）")
_LAUNCH: Final = ("starting a program (Launch)", "启动程序（Launch）")
_SENT: Final = ("sending or fetching of form data", "提交或导入表单数据")
_MEDIA: Final = ("sound, film or 3D", "音频、视频或三维内容")
_ELSEWHERE: Final = ("opening of another file", "打开其他文件")
_ACTIONS: Final = {
    "/JavaScript": _SCRIPT,
    "/Launch": _LAUNCH,
    "/SubmitForm": _SENT,
    "/ImportData": _SENT,
    "/ResetForm": ("emptying of a form", "清空表单"),
    "/Hide": ("hiding of what is seen (Hide)", "隐藏显示内容（Hide）"),
    "/SetOCGState": ("switching of layers", "切换图层"),
    "/GoToR": _ELSEWHERE,
    "/GoToE": _ELSEWHERE,
    "/Rendition": _MEDIA,
    "/Movie": _MEDIA,
    "/Sound": _MEDIA,
    "/GoTo3DView": _MEDIA,
    "/RichMediaExecute": _MEDIA,
    "/Trans": ("a transition between pages", "页面切换效果"),
}
_ANNOTATIONS: Final = {
    "/RichMedia": _MEDIA, "/3D": _MEDIA, "/Screen": _MEDIA, "/Movie": _MEDIA, "/Sound": _MEDIA,
}  # fmt: skip
_LAYERS: Final = ("layers (OCProperties)", "图层（OCProperties）")
_ENTRIES: Final = {
    "/AA": ("actions on opening, printing or moving (AA)", "打开、打印或移动时触发的动作（AA）"),
    "/XFA": ("a form that is shown instead of the pages (XFA)", "替代页面显示的动态表单（XFA）"),
    "/OCGs": _LAYERS,
    "/OC": _LAYERS,
    "/Ref": ("a picture taken from another file (Ref)", "引自其他文件的图形（Ref）"),
    "/Collection": ("files that are shown instead (Collection)", "文件集（Collection）"),
    "/Alternates": ("other pictures for printing (Alternates)", "打印时替换的图像（Alternates）"),
    "/Dur": ("pages that turn by themselves (Dur)", "自动翻页（Dur）"),
    "/OPI": ("pictures exchanged for printing (OPI)", "打印时从外部替换的图像（OPI）"),
}
_EXTERNAL: Final = ("data kept in another file (F)", "存于其他文件中的数据（F）")
_PROGRAM: Final = (
    "drawings that some printers alone make (PostScript)",
    "仅打印时执行的 PostScript",
)
_REDRAWN: Final = (
    "a form that every reader draws anew (NeedAppearances)",
    "由各阅读器重新绘制的表单（NeedAppearances）",
)
_MOUSE: Final = ("another look under the mouse (AP)", "鼠标移入或按下时变化的外观（AP）")
_SCREEN: Final = ("annotations that are not printed", "打印时不出现的批注")
_PAPER: Final = ("annotations that are printed only", "仅打印时出现的批注")
_TOGGLED: Final = ("annotations that come and go (ToggleNoView)", "时隐时现的批注（ToggleNoView）")
_HIDDEN, _PRINT, _NO_VIEW, _TOGGLE = 2, 4, 32, 256  # ISO 32000-2, table 167
_SHOW_NOTHING: Final = frozenset(["/Link", "/Popup"])
_TURNS: Final = frozenset(["/NextPage", "/PrevPage", "/FirstPage", "/LastPage"])
_OPEN: Final = ("an action on opening (OpenAction)", "打开文件时触发的动作（OpenAction）")
_PART: Final = ("more than was looked through", "过多内容，未能全部检查")
# What leads back, or to what paints alone and is large.
_PASSED_OVER: Final = frozenset(
    {
        *("/P", "/Prev", "/Last", "/Dest", "/Contents", "/Thumb", "/DSS"),
        *("/StructTreeRoot", "/ParentTree", "/Metadata", "/ProcSet"),
        *("/Pg", "/Info", "/V", "/DV", "/EmbeddedFiles", "/EF"),
        *("/IRT", "/D", "/Dests", "/PageLabels", "/B", "/MK"),
    }
)
# What the names of a dictionary of these mean is for whoever writes the document to say.
_RESOURCES: Final = frozenset(
    {
        *("/XObject", "/Font", "/ExtGState", "/Pattern", "/Shading", "/Properties"),
        *("/ColorSpace", "/CharProcs"),
    }
)
_LOOKS: Final = "/AP"
# A font whose letters are a program's: of it, what may be kept elsewhere. The rest is large.
_OF_FONT: Final = ("/FontDescriptor", "/DescendantFonts", "/Encoding")

Words = tuple[str, str]


def check_active(reader: Any) -> Check | None:
    """A notice of what a document does by itself; None where there is nothing."""
    found: dict[Words, None] = {}
    try:
        root = reader.root
        if _is_action(entry(root, "/OpenAction")):
            found[_OPEN] = None
        for held in _dictionaries(root):
            found |= dict.fromkeys(_active(held))
    except Exception:  # noqa: BLE001  (the library raises anything on hostile bytes)
        found[_PART] = None
    if not found:
        return None
    return passed(
        _NAME,
        f"the document holds {', '.join(one for one, _ in found)}: it is signed, and still may "
        "show something else at another time or in another reader",
        f"文件含有{'、'.join(one for _, one in found)}：虽已签名，"
        "但在不同时间或不同阅读器中的显示可能不同",
        notice=True,
    )


def _is_action(held: Any) -> bool:
    if not isinstance(held, generic.DictionaryObject):
        return False
    kind = entry(held, "/S")
    if kind == "/Named":
        return entry(held, "/N") not in _TURNS
    return kind not in ("/GoTo", None)


def _active(held: Any) -> Iterator[Words]:
    """What a dictionary does."""
    action = _ACTIONS.get(str(entry(held, "/S")))
    if action and ("/Type" not in held or entry(held, "/Type") == "/Action"):
        yield action
    elif "/JS" in held:
        yield _SCRIPT
    media = _ANNOTATIONS.get(str(entry(held, "/Subtype")))
    if media and "/Rect" in held:
        yield media
    for name, words in _ENTRIES.items():
        if name not in held or (name == "/Ref" and not isinstance(held, generic.StreamObject)):
            continue
        value = held[name]
        if not isinstance(value, generic.NullObject) and value not in ([], {}):
            yield words
    if entry(held, "/Type") in ("/OCG", "/OCMD"):
        yield _LAYERS
    painted = entry(held, "/Contents") if entry(held, "/Type") == "/Page" else held
    streams = painted if isinstance(painted, generic.ArrayObject) else [painted]
    if any(isinstance(one, generic.StreamObject) and "/F" in one for one in map(_at, streams)):
        yield _EXTERNAL
    if isinstance(held, generic.StreamObject) and _is_program(held):
        yield _PROGRAM
    if getattr(entry(held, "/NeedAppearances"), "value", False) is True:
        yield _REDRAWN
    if "/AP" in held and "/Rect" in held:
        yield from _shown(held)


def _is_program(held: Any) -> bool:
    """A PostScript XObject, in either of its forms (ISO 32000-1 §8.8.2)."""
    return "/PS" in (entry(held, "/Subtype"), entry(held, "/Subtype2")) or "/PS" in held


def _at(raw: Any) -> Any:
    return raw.get_object() if isinstance(raw, generic.IndirectObject) else raw


def _shown(held: Any) -> Iterator[Words]:
    """When an annotation shows, if not always."""
    looks, box = entry(held, "/AP"), [float(one) for one in entry(held, "/Rect")]
    if entry(held, "/Subtype") in _SHOW_NOTHING or box[0] == box[2] or box[1] == box[3]:
        return
    if "/R" in looks or "/D" in looks:
        yield _MOUSE
    flags = int(entry(held, "/F", 0))
    if flags & _HIDDEN or "/N" not in looks:
        return
    if flags & _TOGGLE:
        yield _TOGGLED
    elif flags & _NO_VIEW and flags & _PRINT:
        yield _PAPER
    elif not flags & (_NO_VIEW | _PRINT):
        yield _SCREEN


def _dictionaries(root: Any) -> Iterator[Any]:
    """Every dictionary that the catalog leads to. Raises OverflowError where there are too many."""
    waiting, seen, values = deque([("", root)]), set[tuple[Key, str]](), 0
    while waiting:
        under, held = waiting.popleft()
        if isinstance(held, generic.IndirectObject):
            # One object may be resources here, and something else there.
            place = key_of(held), under if under in _RESOURCES or under == _LOOKS else ""
            if place in seen:
                continue
            seen.add(place)
            if len(seen) > _MAX_OBJECTS:
                raise OverflowError
            held = held.get_object()
        if isinstance(held, generic.DictionaryObject):
            is_named = under in _RESOURCES and not isinstance(held, generic.StreamObject)
            if not is_named:
                yield held
            inner = list(_named(held) if is_named else _within(held, under))
        elif isinstance(held, generic.ArrayObject):
            inner = [("", held.raw_get(number)) for number in range(len(held))]
        else:
            continue
        values += len(inner)
        if values > _MAX_VALUES:
            raise OverflowError
        waiting += (one for one in inner if isinstance(one[1], _LEADS))


_LEADS: Final = (generic.IndirectObject, generic.DictionaryObject, generic.ArrayObject)


def _named(held: Any) -> Iterator[tuple[str, Any]]:
    """What a dictionary of resources names."""
    for name in held:
        yield "", held.raw_get(name)


def _within(held: Any, under: str) -> Iterator[tuple[str, Any]]:
    """What a dictionary leads to, and as what."""
    is_font = _only_writes(held)
    for name in held:
        if name in _OF_FONT if is_font else name not in _PASSED_OVER or _is_more(held, name):
            # The looks of an annotation are drawings, or drawings by names of its own (§12.5.5).
            yield "/XObject" if under == _LOOKS else name, held.raw_get(name)


def _only_writes(held: Any) -> bool:
    """A font whose letters are a font program's, not pictures of its own."""
    is_font = entry(held, "/Type") == "/Font" and not isinstance(held, generic.StreamObject)
    return bool(is_font and entry(held, "/Subtype") != "/Type3")


def _is_more(held: Any, name: str) -> bool:
    """`/D` is what happens when a mouse is pressed, and in an action where it leads to."""
    return name == "/D" and "/S" not in held
