"""Whether bytes are one XML document in UTF-8: nothing is built, and what it costs is bounded."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from itertools import chain
from typing import Any, Final, cast

from lxml import etree

from seal.ofd.markup import is_utf8_declared

_MOST_OCTETS: Final = 64 * 1024 * 1024


class _Nothing:
    """What is made of a file's events: nothing."""

    def close(self) -> None:
        """The document ends."""


class _Parsers(threading.local):
    """One parser a thread, made once: nothing of a document stays in it."""

    def __init__(self) -> None:
        self.of_this_thread = _parser()


def _parser() -> etree.XMLParser:
    return etree.XMLParser(
        target=cast("Any", _Nothing()),
        encoding="utf-8",  # whatever a file says that it is: so, or not at all
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=False,
    )


_parsers: Final = _Parsers()


def is_named_xml(name: str) -> bool:
    """Whether a file is XML by its name."""
    return name[-4:].lower() == ".xml"


def is_well_formed(data: bytes) -> bool:
    """Whether these bytes are one XML document in UTF-8."""
    if not is_utf8_declared(data):
        return False
    try:
        etree.fromstring(data, _parsers.of_this_thread)
    except (etree.XMLSyntaxError, ValueError):
        return False
    return True


class LargeXml:
    """What was seen of XML that is too large to be kept, in the one look at its bytes.

    The parser keeps every name it meets, so no more than `room` octets of a package are looked at;
    `unseen` names the files beyond.
    """

    __slots__ = ("malformed", "room", "unseen")

    def __init__(self) -> None:
        self.room = _MOST_OCTETS
        self.malformed: set[str] = set()
        self.unseen: set[str] = set()

    def look(self, name: str, pieces: Iterator[bytes], size: int) -> None:
        """Take what is needed of a file's bytes to tell whether it is well-formed.

        Raises what the pieces raise.
        """
        if size > self.room:
            self.unseen.add(name)
            return
        self.room -= size
        first = next(pieces, b"")
        if not is_utf8_declared(first):
            self.malformed.add(name)
            return
        try:
            etree.parse(cast("Any", _Source(chain((first,), pieces))), _parser())
        except etree.XMLSyntaxError:
            self.malformed.add(name)


class _Source:
    """A file to the parser, which asks for its bytes: only so does it bound the depth."""

    __slots__ = ("_pieces",)

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces

    def read(self, _size: int = -1) -> bytes:
        return next(self._pieces, b"")
