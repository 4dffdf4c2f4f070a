"""What a PDF may be that is sealed as a scan: pages, and what paints them.

1. A seal makes a reader trust what it covers. A scan with a script, a file attached, a form or a
   link is therefore refused, by what it holds, and not cleaned: what was cleaned would be another
   document than the one that somebody read (ISO 32000-2 §12.5, §12.6, §7.11.4, §8.11, §7.6).
2. Everything that the trailer leads to is looked at, as far as MOST_VALUES go; beyond them, or
   where that cannot be read, the scan is refused. Words that only such content has are looked for
   in the bytes as well: an older revision, or what a broken table of contents hides, is sealed too.
3. A scan whose pages all show nothing is refused, as far as a page tells that cheaply: `_is_plain`.
"""

# The PDF library publishes no types.
# mypy: disable-error-code=no-untyped-call

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from io import BytesIO
from typing import Any, Final

import pypdfium2
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.reader import PdfFileReader

from licenses.pages.photographs import is_blank
from runtime.pdfium import PDFIUM

_open_pdf: Any = pypdfium2.PdfDocument  # only partly typed
MOST_VALUES: Final = 200_000
_SCRIPT: Final = "a script (JavaScript)"
_PROGRAM: Final = "the starting of a program (Launch)"
_FILES: Final = "attached files"
_FORM: Final = "a form"
_MEDIA: Final = "sound, film or 3D"
_ACTION: Final = "an action on opening, turning or leaving"
_NOTE: Final = "links, notes or stamps over its pages"
_LAYERS: Final = "layers"
_ELSEWHERE: Final = "what is kept in another file"
_ENCRYPTED: Final = "the PDF is encrypted: save it again, without a password"
_UNREAD: Final = "the PDF cannot be looked through: print its pages to a new PDF"
_BLANK: Final = "the PDF shows nothing: all its pages are blank"
# Told in this order where there are several.
_ORDER: Final = (
    _PROGRAM, _SCRIPT, _FILES, _MEDIA, _FORM, _ACTION, _ELSEWHERE, _LAYERS, _NOTE
)  # fmt: skip
_KEYS: Final = {
    "/JS": _SCRIPT, "/JavaScript": _SCRIPT, "/EmbeddedFiles": _FILES, "/EF": _FILES, "/AF": _FILES,
    "/Collection": _FILES, "/AcroForm": _FORM, "/XFA": _FORM, "/AA": _ACTION, "/Ref": _ELSEWHERE,
    "/OPI": _ELSEWHERE, "/OCProperties": _LAYERS, "/OC": _LAYERS, "/Annots": _NOTE,
}  # fmt: skip
_ACTIONS: Final = {"/JavaScript": _SCRIPT, "/Launch": _PROGRAM, "/Rendition": _MEDIA}
_ANNOTATIONS: Final = {
    "/Widget": _FORM, "/FileAttachment": _FILES, "/RichMedia": _MEDIA, "/3D": _MEDIA,
    "/Screen": _MEDIA, "/Movie": _MEDIA, "/Sound": _MEDIA,
}  # fmt: skip
# Too long to stand in a picture's data by chance.
_BYTES: Final = {
    b"/JavaScript": _SCRIPT, b"/Launch": _PROGRAM, b"/EmbeddedFile": _FILES, b"/RichMedia": _MEDIA,
}  # fmt: skip
_LEADS: Final = (generic.IndirectObject, generic.DictionaryObject, generic.ArrayObject)
# What a page is drawn from that it is judged by: no more is drawn than these take.
_PLAIN_LIMIT: Final = 4096
_PLAIN_FILTERS: Final = frozenset({"/FlateDecode", "/DCTDecode", "/CCITTFaxDecode"})
_DRAWN: Final = 800.0


def content_problem(scan: bytes) -> str:
    """What a PDF holds that no scan may, in words; "" if nothing."""
    found = {words for told, words in _BYTES.items() if told in scan}
    try:
        reader = PdfFileReader(BytesIO(scan), strict=False)
        if "/Encrypt" in reader.trailer:
            return _ENCRYPTED
        for held in _dictionaries(reader.root):
            found |= set(_refused(held))
        if _acts(_entry(reader.root, "/OpenAction")):
            found.add(_ACTION)
    except Exception:  # noqa: BLE001  (the library raises anything on hostile bytes)
        return _UNREAD
    first = next((words for words in _ORDER if words in found), "")
    return f"the PDF holds {first}: print its pages to a new PDF" if first else ""


def blank_problem(scan: bytes, most: int) -> str:
    """That no page shows anything, in words; "" if one does, or may; `most`: pixels of a picture.

    Of one that PDFium opens, and that `content_problem` takes.
    """
    try:
        pages = list(_pages(PdfFileReader(BytesIO(scan), strict=False)))
        if not all(_is_plain(page, most) for page in pages):
            return ""
        with PDFIUM:
            pdf = _open_pdf(scan)
            try:
                numbers = range(len(pdf)) if len(pdf) == len(pages) else ()
                return _BLANK if numbers and not any(_shows(pdf[at]) for at in numbers) else ""
            finally:
                pdf.close()
    except Exception:  # noqa: BLE001  (as above: what cannot be judged is not refused for it)
        return ""


def _entry(held: Any, name: str) -> Any:
    try:
        return held[name]  # `get` would not look where a reference leads
    except KeyError:
        return None


def _acts(held: Any) -> bool:
    """Whether a thing that opens does more than lead to a page."""
    return isinstance(held, generic.DictionaryObject) and _entry(held, "/S") != "/GoTo"


def _refused(held: Any) -> Iterator[str]:
    """What a dictionary holds or does that no scan may."""
    for key, words in _KEYS.items():
        value = _entry(held, key)
        if (
            value is not None
            and not isinstance(value, generic.NullObject)
            and value not in ([], {})
        ):
            yield words
    if action := _ACTIONS.get(str(_entry(held, "/S"))):
        yield action
    if "/Rect" in held and (kind := _ANNOTATIONS.get(str(_entry(held, "/Subtype")))):
        yield kind
    if isinstance(held, generic.StreamObject) and "/F" in held:
        yield _ELSEWHERE


def _dictionaries(root: Any) -> Iterator[Any]:
    """Every dictionary that the catalog leads to. Raises OverflowError where there are too many."""
    waiting, seen, values = deque([root]), set[tuple[int, int]](), 0
    while waiting:
        held = waiting.popleft()
        if isinstance(held, generic.IndirectObject):
            place = (int(held.idnum), int(held.generation))
            if place in seen:
                continue
            seen.add(place)
            held = held.get_object()
        if isinstance(held, generic.DictionaryObject):
            yield held
            inner = [held.raw_get(name) for name in held]
        elif isinstance(held, generic.ArrayObject):
            inner = [held.raw_get(number) for number in range(len(held))]
        else:
            continue
        values += len(inner)
        if values > MOST_VALUES:
            raise OverflowError
        waiting += (one for one in inner if isinstance(one, _LEADS))


# --- whether a page shows anything ---------------------------------------------------------------


def _pages(reader: Any) -> Iterator[Any]:
    return (held for held in _dictionaries(reader.root) if _entry(held, "/Type") == "/Page")


def _is_plain(page: Any, most: int) -> bool:
    """Whether it costs little to draw a page: short contents, and pictures of a usual kind.

    A page that is not shows something, or would keep whoever draws it busy.
    """
    contents = _entry(page, "/Contents")
    if contents is None:
        return True
    parts = contents if isinstance(contents, generic.ArrayObject) else [contents]
    if sum(len(part.encoded_data) for part in parts) > _PLAIN_LIMIT:
        return False
    data = b" ".join(part.data for part in parts)
    resources = _entry(page, "/Resources") or {}
    named = _entry(resources, "/XObject") or {}
    return (
        len(data) <= _PLAIN_LIMIT
        and data.count(b"Do") <= 4
        and not any(name in resources for name in ("/Pattern", "/Shading"))
        and all(_is_picture(named[name], most) for name in named)
        and all(_entry(font, "/Subtype") != "/Type3" for font in _fonts(resources))
    )


def _fonts(resources: Any) -> list[Any]:
    fonts = _entry(resources, "/Font") or {}
    return [fonts[name] for name in fonts]


def _is_picture(held: Any, most: int) -> bool:
    filters = _entry(held, "/Filter") or []
    filters = filters if isinstance(filters, generic.ArrayObject) else [filters]
    return (
        _entry(held, "/Subtype") == "/Image"
        and int(held["/Width"]) * int(held["/Height"]) <= most
        and "/SMask" not in held
        and {str(one) for one in filters} <= _PLAIN_FILTERS
    )


def _shows(page: Any) -> bool:
    """Whether a page has marks that are more than dust."""
    scale = min(1.0, _DRAWN / max(page.get_size()))
    return not is_blank(page.render(scale=scale, grayscale=True, may_draw_forms=False).to_pil())
