"""The form of a page or template that every reader takes alike: told by its bytes, else by a scan.

1. Its root is a Page in the namespace of the standard or of its draft; it has one Content and one
   Area at most, which are the root's own children and of its namespace. Readers differ on anything
   else: the first, the last, both, or none.
2. Nearly every page is seen to be so by a look at its bytes; any other is scanned from end to end,
   element by element, and nothing is built.

Source: GB/T 33190-2016 §7.7.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from seal.ofd.markup import NAMESPACE, XmlScan

#: What a page that names resources of its own has in its bytes.
NAMING_RESOURCES: Final = b"PageRes"
#: What a file that acts has in its bytes (`seal.ofd.outside`).
ACTING: Final = b"Action"
_ROOT: Final = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*(?:<\?[^>]*\?>\s*|<!--(?:[^-]|-[^-])*-->\s*)*"
    rb"<(?:([\w.-]+):)?Page((?:\s[^<>']*)?)>"
)
_ONCE: Final = frozenset({"Content", "Area"})
_NAMESPACES: Final = (NAMESPACE, NAMESPACE.rpartition("/")[0])


def is_plain(data: bytes) -> bool:
    """Whether the whole bytes of a page show that it has the form of rule 1, and no resources."""
    found = _ROOT.match(data)
    if found is None or not _declares(found):
        return False
    of_own = (found[1] + b":" if found[1] else b"<") + b"Content"
    return (
        data.count(b"xmlns", found.end()) == 0
        and found[2].count(b"ofdspec.org") == 1
        and data.count(b"Content") <= 2
        and data.count(b"Area") <= 2
        and (of_own in data or b"Content" not in data)
        and NAMING_RESOURCES not in data
    )


def _declares(found: re.Match[bytes]) -> bool:
    """Whether the root's own start tag gives its prefix the standard's namespace."""
    name = b"xmlns:" + found[1] if found[1] else b" xmlns"
    return name + b'="' + NAMESPACE.encode() + b'"' in found[2]


class PageLook:
    """`is_plain` of a file that comes by pieces, a little stricter; and whether it acts."""

    __slots__ = ("_content", "_declared", "_first", "_has_resources", "_tail", "acts")

    def __init__(self) -> None:
        self._first: re.Match[bytes] | None = None
        self._tail = b""
        self._content = self._declared = 0
        self._has_resources = self.acts = False

    def take(self, piece: bytes) -> None:
        """The next bytes of it."""
        if not self._tail:
            self._first = _ROOT.match(piece)
        seam = self._tail + piece[:_SEAM]
        # A short word near a seam may count twice: then the page is scanned for nothing.
        self._content += piece.count(b"Content") + seam.count(b"Content")
        self._declared += piece.count(b"xmlns") + seam.count(b"xmlns")
        for part in (piece, seam):
            self._has_resources = self._has_resources or NAMING_RESOURCES in part
            self.acts = self.acts or ACTING in part
        self._tail = (self._tail + piece[-_SEAM:])[-_SEAM:]

    @property
    def is_plain(self) -> bool:
        """Whether what was taken shows it."""
        is_page = self._first is not None and _declares(self._first)
        is_single = self._content <= 2 and self._declared == 1
        return is_page and is_single and not self._has_resources


_SEAM: Final = 6  # one less than the longest of the words


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
        elif local in _ONCE and (self._depth == 1 or of[1:] in _NAMESPACES):
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
