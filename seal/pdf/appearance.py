"""What a later signer's seal looks like: one picture, and nothing else beside or within it.

1. The appearance is the normal one alone, always seen: readers show another (`/D`, `/R`) when a
   mouse is over it, and a layer of the document when it is printed, or not.
2. Its forms and images have the entries that painting needs (ISO 32000-2 §8.9.5, §8.10.2), its
   resources are of the kinds that painting knows (§7.8.3): a stream of no kind is not resources.
"""

# The PDF library publishes no types.
# mypy: disable-error-code=no-untyped-call

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from pyhanko.pdf_utils import generic

from seal.pdf.entries import entry
from seal.pdf.refused import UpdateRefused

_MOST: Final = 256
_STREAM: Final = frozenset(["/Type", "/Subtype", "/Length", "/Filter", "/DecodeParms", "/Name"])
_FORM: Final = _STREAM | {
    *("/FormType", "/BBox", "/Matrix", "/Resources", "/Group", "/LastModified", "/StructParent"),
    *("/StructParents",),
}
_IMAGE: Final = _STREAM | {
    *("/Width", "/Height", "/ColorSpace", "/BitsPerComponent", "/Intent", "/ImageMask", "/Mask"),
    *("/Decode", "/Interpolate", "/SMask", "/Matte", "/SMaskInData", "/StructParent"),
}
_RESOURCES: Final = frozenset(
    {
        *("/ProcSet", "/Font", "/XObject", "/ExtGState", "/ColorSpace", "/Pattern", "/Shading"),
        "/Properties",
    }
)


def check_appearance(widget: Any) -> None:
    """Hold a widget's appearance, if it has one, against the rules. Raises UpdateRefused."""
    if "/AP" not in widget:
        return
    drawn = widget["/AP"]
    if not drawn.keys():  # as some makers write for what is not seen
        return
    if set(drawn.keys()) != {"/N"} or not isinstance(drawn["/N"], generic.StreamObject):
        raise UpdateRefused(
            "the seal looks otherwise when a mouse is over it, or in another state",
            "印章在鼠标经过或其他状态下显示不同",
        )
    waiting, looked = [drawn["/N"]], 0
    while waiting:
        looked += 1
        if looked > _MOST:
            raise UpdateRefused("the seal's picture has too many parts", "印章外观的组成部分过多")
        waiting += _parts(waiting.pop())


def _parts(drawn: Any) -> Iterator[Any]:
    """The pictures within a form or an image."""
    if not isinstance(drawn, generic.StreamObject):
        raise _hiding()
    is_image = entry(drawn, "/Subtype") == "/Image"
    if not set(drawn.keys()) <= (_IMAGE if is_image else _FORM):
        raise _hiding()
    if is_image:
        yield from (drawn[one] for one in ("/SMask", "/Mask") if _is_stream(drawn, one))
        return
    resources = entry(drawn, "/Resources", {})
    if not set(resources.keys()) <= _RESOURCES:
        raise _hiding()
    for name in entry(resources, "/Properties", {}):
        if not _is_mark(resources["/Properties"][name]):
            raise _hiding()
    held = entry(resources, "/XObject", {})
    yield from (held[name] for name in held)


def _is_stream(held: Any, name: str) -> bool:
    return name in held and isinstance(held[name], generic.StreamObject)


def _is_mark(held: Any) -> bool:
    """What marks a part of the picture: a few names and numbers, and no layer."""
    simple = (generic.NameObject, generic.NumberObject, generic.FloatObject, generic.BooleanObject)
    return (
        isinstance(held, generic.DictionaryObject)
        and not isinstance(held, generic.StreamObject)
        and "/Type" not in held
        and all(isinstance(held[name], simple) for name in held)
    )


def _hiding() -> UpdateRefused:
    return UpdateRefused(
        "the seal's picture holds something else than what it shows",
        "印章外观中含有与显示无关的内容",
    )
