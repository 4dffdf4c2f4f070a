"""The names of a package's entries: plain paths, no two of which any reader takes for one.

1. A name is relative, forward-slashed UTF-8 without `.`, `..`, drive, control or invisible
   characters, and no part ends in a dot or a space (some systems drop them). Nor may it leave the
   package once percent-decoded, or with full-width forms made ASCII (as some systems do).
2. Two names are one if they are the same after percent-decoding, Unicode composition, case folding
   and full-width forms made ASCII. One that is not marked as UTF-8 also counts as what a reader of
   GBK (much Chinese software) or of code page 437 (APPNOTE.TXT D.1) takes it for.
3. No name is both a file and a folder.

Source: GB/T 33190-2016 §7 (packaging), APPNOTE.TXT 6.3, appendix D.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Final
from urllib.parse import unquote

from seal.ofd.errors import duplicate_error, paths_error

# Nearly all names; the rest is looked at.
_PLAIN: Final = re.compile(
    r"(?:[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*/)*[A-Za-z0-9_.-]*[A-Za-z0-9_-]/?"
)
_HIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_MOST_DECODINGS: Final = 4
_SHORT: Final = 64
_OTHER_READINGS: Final = ("gbk", "cp437")


def entry_name(raw: bytes) -> str:
    """Rule 1. A name without the UTF-8 flag is taken as UTF-8 too, as OFD software does."""
    return _kept_name(raw) if len(raw) <= _SHORT else _name(raw)


def _name(raw: bytes) -> str:
    try:
        name = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise paths_error("an entry's name is not UTF-8", "条目名称不是 UTF-8 编码") from error
    if _PLAIN.fullmatch(name):
        return name
    if "\\" in name or ":" in name or any(unicodedata.category(c) in _HIDDEN for c in name):
        raise paths_error(
            "an entry's name has a backslash, a colon or an invisible character",
            "条目名称含有反斜杠、冒号或不可见字符",
        )
    parts = name.removesuffix("/").split("/")
    if any(part != part.rstrip(". ") for part in parts):
        raise paths_error(
            "a part of an entry's name ends in a dot or a space", "条目名称的某一级以句点或空格结尾"
        )
    for spelled in (name, spelled_out(name)):
        if any(part in ("", ".", "..") for part in spelled.removesuffix("/").split("/")):
            raise paths_error(
                "an entry's name leaves the package or has an empty part",
                "条目名称越出文件包或含有空的一级",
            )
    return name


# The names of most files are the same in every document.
_kept_name: Final = lru_cache(maxsize=1024)(_name)


class Names:
    """The names of one package, registered one by one (rules 2 and 3). Raises PackageError."""

    __slots__ = ("_taken",)

    def __init__(self) -> None:
        self._taken: dict[str, bool] = {}  # whether it is a folder

    def add(self, name: str, raw: bytes, *, is_utf8: bool) -> None:
        """Take a name; `raw` is how the zip has it, `is_utf8` whether it says so."""
        plain, is_folder = name.removesuffix("/"), name.endswith("/")
        if plain.isascii() and "%" not in plain:
            keys = [plain.lower()]
        else:
            others = [] if is_utf8 else _other_readings(raw)
            keys = [*{folded(one) for one in (plain, *others)}]
        for key in keys:
            if key in self._taken:
                raise duplicate_error()
        for key in keys:
            self._taken[key] = is_folder

    def finish(self) -> None:
        """All names are there."""
        seen: set[str] = set()
        for key in self._taken:
            parent = key.rpartition("/")[0]
            while parent and parent not in seen:
                if self._taken.get(parent) is False:
                    raise duplicate_error()
                seen.add(parent)
                parent = parent.rpartition("/")[0]


def spelled_out(location: str) -> str:
    """A location as lenient software reads it. Raises PackageError."""
    return _as_read(location).replace("\\", "/")


def folded(name: str) -> str:
    """Rule 2. Twice: composing can make a folded name foldable again, and the other way round."""
    if _PLAIN.fullmatch(name):
        return name.lower()
    found = _as_read(name)
    for _ in range(2):
        found = unicodedata.normalize("NFC", found.casefold())
    return found


def _as_read(name: str) -> str:
    """Percent-decoded, full-width and half-width forms made common ones."""
    decoded = name
    for _ in range(_MOST_DECODINGS):
        before = decoded
        decoded = "".join(map(_common, unquote(before, errors="surrogateescape")))
        if decoded == before:
            return decoded
    raise paths_error(
        "an entry's name is percent-encoded again and again", "条目名称经多次百分号编码"
    )


def _common(character: str) -> str:
    if character < "\u2000":  # none of them is of another width
        return character
    kind, _, code = unicodedata.decomposition(character).partition(" ")
    return chr(int(code, 16)) if kind in ("<wide>", "<narrow>") else character


def _other_readings(raw: bytes) -> list[str]:
    found = []
    for encoding in _OTHER_READINGS:
        try:
            found.append(raw.removesuffix(b"/").decode(encoding))
        except UnicodeDecodeError:
            continue  # nobody reads it so
    return found
