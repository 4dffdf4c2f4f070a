"""Where in a TOML text a key stands, for errors that name a line.

`tomllib` tells no lines. This finds the headers and keys of the plain style such files are written
in; a key inside an inline table is found by the line of what holds it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

#: Keys, and positions in lists: ("fields", 2, "size").
Place = Sequence[str | int]
_HEADER = re.compile(r"^\s*(\[\[|\[)\s*([\w.\-\"' ]+?)\s*\]\]?\s*(#.*)?$")
_KEY = re.compile(r"^\s*([\w\-]+|\"[^\"]*\"|'[^']*')\s*=")


def lines_of(text: str) -> Mapping[tuple[str | int, ...], int]:
    """Line numbers, from 1, of headers and keys."""
    found: dict[tuple[str | int, ...], int] = {}
    counts: dict[tuple[str | int, ...], int] = {}
    here: tuple[str | int, ...] = ()
    for number, line in enumerate(text.split("\n"), start=1):
        header = _HEADER.match(line)
        if header:
            here = ()
            parts = [part.strip(" \"'") for part in header[2].split(".")]
            for position, part in enumerate(parts, start=1):
                here = (*here, part)
                if header[1] == "[[" and position == len(parts):
                    counts[here] = counts.get(here, -1) + 1
                if here in counts:
                    here = (*here, counts[here])
            found.setdefault(here, number)
            continue
        key = _KEY.match(line)
        if key:
            found.setdefault((*here, key[1].strip("\"'")), number)
    return found


def line_of(text: str, place: Place) -> int:
    """The line of a place, or of the nearest one that holds it; 1 where nothing is known of it."""
    lines = lines_of(text)
    wanted = tuple(place)
    while wanted:
        if wanted in lines:
            return lines[wanted]
        wanted = wanted[:-1]
    return 1


def shown(place: Place) -> str:
    """A place as people write it: `fields[2].size`."""
    words = ""
    for part in place:
        words += f"[{part}]" if isinstance(part, int) else f".{part}"
    return words.removeprefix(".")
