"""The form of a page or template that every reader takes alike: told by its bytes, else by a scan.

1. Its root is a Page in the namespace of the standard or of its draft; it has one Content and one
   Area at most, which are the root's own children and of its namespace, and no other Content.
   Readers differ on anything else: the first, the last, both, or none. The Area of a clip or of an
   action's region is another thing.
2. Nearly every page is seen to be so by a look at its bytes; any other is scanned from end to end,
   element by element, and nothing is built. The look is the stricter of the two.

Source: GB/T 33190-2016 §7.7, §8.4 (clips), §14.1 (regions).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Final

from seal.ofd.markup import NAMESPACE, XmlScan

#: What a page that names resources of its own has in its bytes.
NAMING_RESOURCES: Final = b"PageRes"
#: What a file that acts has in its bytes (`seal.ofd.outside`).
ACTING: Final = b"Action"
#: The root, and behind it, where it is nothing else, what may stand before its Content.
_ROOT: Final = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*(?:<\?[^>]*\?>\s*|<!--(?:[^-]|-[^-])*-->\s*)*"
    rb"<((?:[\w.-]+:)?)Page((?:\s[^<>']*)?)>"
    rb"(\s*(?:<\1Template\s[^<>]*/>\s*|<\1Area>\s*(?:<\1\w+>[^<>]*</\1\w+>\s*)*</\1Area>\s*)*"
    rb"<\1Content[\s/>])?"
)
_ONCE: Final = frozenset({"Content", "Area"})
_NAMESPACES: Final = (NAMESPACE, NAMESPACE.rpartition("/")[0])
_OF_STANDARD: Final = f'="{NAMESPACE}"'.encode()
_CLIPPED: Final = rb"<%bClip(?:\s[^<>/]*)?>\s*<%bArea(?=[\s/>])"


def is_plain(data: bytes) -> bool:
    """Whether the whole bytes of a page show that it has the form of rule 1, and no resources."""
    found = _ROOT.match(data)
    if found is None or NAMING_RESOURCES in data or data.count(b"xmlns", found.end(2)):
        return False
    if not _declares(found):
        return False
    own, contents = found[1], data.count(b"Content")
    if found[3] is None:
        if contents:
            return False
    elif contents != 1 and (contents != 2 or b"</" + own + b"Content" not in data):
        return False
    areas = data.count(b"Area")
    return not areas or _has_one_area(
        areas,
        data.count(b"<" + own + b"Area"),
        data.count(b"</" + own + b"Area"),
        lambda: sum(1 for _ in _clipped(own).finditer(data)),
    )


def _declares(found: re.Match[bytes]) -> bool:
    """Whether the root's own start tag gives its prefix the standard's namespace, and no more."""
    own, said = found[1], found[2]
    name = b"xmlns:" + own[:-1] if own else b" xmlns"
    is_standard = name + _OF_STANDARD in said
    return is_standard and said.count(b"ofdspec.org") == 1 and b"&" not in said


def _has_one_area(areas: int, begun: int, ended: int, clipped: Callable[[], int]) -> bool:
    """Whether of so many words nothing is an element of another's, and one at most of no clip."""
    return areas == begun + ended and (begun <= 1 or begun - clipped() <= 1)


def _clipped(own: bytes) -> re.Pattern[bytes]:
    prefix = re.escape(own)
    return re.compile(_CLIPPED % (prefix, prefix))


class PageLook:
    """`is_plain` of a file that comes by pieces; and whether it acts.

    A word that lies across two pieces counts with the second, so the end of the first is kept.
    """

    __slots__ = ("_before", "_counts", "_data", "_first", "acts")

    def __init__(self) -> None:
        self._first: re.Match[bytes] | None = None
        self._data: bytes | None = None
        self._before = 0
        self._counts: Counter[bytes] = Counter()
        self.acts = False

    def take(self, piece: bytes) -> None:
        """The next bytes of it."""
        if self._data is None:
            self._first = _ROOT.match(piece)
            self._data = piece
        else:
            tail = self._data[-_SEAM:]
            self._data, self._before = tail + piece, len(tail)
        self.acts = self.acts or self._held(ACTING) > 0
        if self._first is None:
            return
        own = self._first[1]
        for word in (b"Content", b"xmlns", b"Area", NAMING_RESOURCES, *_tags(own)):
            self._counts[word] += self._held(word)
        if self._held(b"Area"):
            found = _clipped(own).finditer(self._data)
            self._counts[_CLIPPED] += sum(1 for one in found if one.end() > self._before)

    def _held(self, word: bytes) -> int:
        return (self._data or b"").count(word, max(0, self._before - len(word) + 1))

    @property
    def is_plain(self) -> bool:
        """Whether what was taken shows it."""
        first, counts = self._first, self._counts
        if first is None or not _declares(first) or counts[NAMING_RESOURCES]:
            return False
        content_end, area, area_end = _tags(first[1])
        begun = 0 if first[3] is None else 1
        return (
            counts[b"xmlns"] == first[2].count(b"xmlns")
            and counts[b"Content"] == begun + (counts[content_end] if begun else 0)
            and counts[content_end] <= 1
            and _has_one_area(
                counts[b"Area"], counts[area], counts[area_end], lambda: counts[_CLIPPED]
            )
        )


def _tags(own: bytes) -> tuple[bytes, bytes, bytes]:
    """How elements of that prefix end and begin."""
    return b"</" + own + b"Content", b"<" + own + b"Area", b"</" + own + b"Area"


_SEAM: Final = 256  # more than most of what is looked for; what is longer is scanned


_DEEPEST: Final = 256  # what libxml2 takes of a file, though not of pieces


class PageScan(XmlScan):
    """What a page is found to be, element by element (rule 1); its `resources` as written.

    One that `is_deep` is no XML to other parsers of ours, who tell.
    """

    __slots__ = (
        "_depth",
        "_found",
        "_namespaces",
        "_roots",
        "_text",
        "is_alike",
        "is_deep",
        "resources",
    )

    def __init__(self) -> None:
        super().__init__()
        self._depth = 0
        self._roots = ""
        self._found: set[str] = set()
        self._namespaces: set[str] = set()
        self._text: list[str] | None = None
        self.is_alike = True
        self.is_deep = False
        self.resources: list[str] = []

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        """An element begins."""
        of, _, local = name.rpartition("}")
        if self._depth == 0:
            self._roots = of
            self.is_alike = local == "Page" and of[1:] in _NAMESPACES
        elif local in _ONCE and (
            self._depth == 1 or (local == "Content" and of[1:] in _NAMESPACES)
        ):
            is_own = self._depth == 1 and of == self._roots
            if not is_own or local in self._found:
                self.is_alike = False
            self._found.add(local)
        elif local == "PageRes":
            self._text = []
        self._namespaces.add(of)
        self._depth += 1
        if self._depth > _DEEPEST:
            self.is_deep = self.done = True

    def end(self, name: str) -> None:
        """An element ends."""
        self._depth -= 1
        if self._text is not None and name.endswith("PageRes"):
            # Some readers stop at what stands within a text, others leave it out.
            self.resources += {"".join(self._text), *self._text[:1]}
            self._text = None

    def data(self, text: str) -> None:
        """A piece of text."""
        if self._text is not None:
            self._text.append(text)

    @property
    def is_mixed(self) -> bool:
        """Whether it has elements both of the standard's namespace and of its draft's."""
        return {"{" + one for one in _NAMESPACES} <= self._namespaces
