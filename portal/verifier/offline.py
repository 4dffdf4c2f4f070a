"""The page that verifies without a network: one HTML file with scripts, style and lists inside.

1. It holds the presenting trust list, the status lists and the log's key as they are when it is
   fetched; it says of when, and judges its own age. The node makes lists anew only where something
   changed, and the page is made anew only for new lists, by one at a time.
2. It asks no server: its policy, inside it, allows no connection, and no script or style but these
   very ones, by their hashes.
3. It is as good as where it was fetched from: there is no further signature on it.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import time
from datetime import UTC
from functools import cache
from typing import Any, Final

from markupsafe import Markup

from licenses.v1 import offline_pb2
from portal.pages import FOLDER, rendered, sayer
from portal.verifier.asking import Asking
from portal.verifier.offline_words import words_of

_SCRIPTS: Final = (
    "vendor/scanning.js",
    "vendor/proving.js",
    "scan.js",
    "drop.js",
    "offline/reading.js",
    "offline/codes.js",
    "offline/records.js",
    "offline/page.js",
)


#: The presenting trust list, the status lists, and the log's key.
Told = tuple[offline_pb2.GetPresentingTrustResponse, list[bytes], str]


class OfflinePages:
    """Makes the page; who comes while the node is asked shares the next answer."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking
        self._lock = asyncio.Lock()
        #: When the node was asked last, and what it told.
        self._told: tuple[float, Told] | None = None
        self._made: dict[str, tuple[Told, str]] = {}

    async def page(self, language: str) -> str:
        """The page in a language. Raises as the node does."""
        came = time.monotonic()
        async with self._lock:
            if self._told is None or self._told[0] < came:
                asked = time.monotonic()
                self._told = (asked, await self._asking.trust())
            told = self._told[1]
            held = self._made.get(language)
            if held is None or not _is_same(held[0], told):
                held = (told, await self._make(language, told))
                self._made[language] = held
            return held[1]

    async def _make(self, language: str, told: Told) -> str:
        trust, lists, log = told
        departments = await self._asking.departments()
        title = departments.get(trust.issuer, trust.issuer)
        english = language == "en"
        kept: dict[str, Any] = {
            "trust": {
                "issuer": trust.issuer,
                "title": title,
                "made": trust.make_time.seconds,
                "certificates": [base64.b64encode(one).decode() for one in trust.certificates],
                "lists": [one.decode() for one in lists],
                "log": log,
            },
            "departments": dict(departments),
            "words": words_of(sayer(language)),
            "names": {
                name: {key: said[0] if english else said[1] for key, said in of.items()}
                for name, of in (await self._asking.all_names()).items()
            },
        }
        return rendered(
            "verifier/offline.html",
            language,
            policy=_policy(),
            style=Markup(_style()),  # noqa: S704  # our own file
            scripts=[Markup(one) for one in _scripts()],  # noqa: S704  # our own files
            kept=Markup(_inside(kept)),  # noqa: S704  # escaped there
            made=trust.make_time.ToDatetime(UTC),
            title=title,
            log=log,
            certificates=[hashlib.sha256(one).hexdigest() for one in trust.certificates],
        )


def _is_same(one: Told, other: Told) -> bool:
    """Whether a page of one says what a page of the other would, but for when it was asked."""
    return list(one[0].certificates) == list(other[0].certificates) and one[1:] == other[1:]


def _inside(kept: dict[str, Any]) -> str:
    """JSON that ends no element."""
    return json.dumps(kept, ensure_ascii=False).replace("<", "\\u003c")


@cache
def _scripts() -> tuple[str, ...]:
    found = tuple((FOLDER / "static" / name).read_text("utf-8") for name in _SCRIPTS)
    if any("</script" in one or "<!--" in one for one in found):
        raise ValueError("a script would end its own element")
    return found


@cache
def _style() -> str:
    return (FOLDER / "static" / "portal.css").read_text("utf-8")


@cache
def _policy() -> str:
    """As strict as the pages' own; what is inside is named by its hash."""
    scripts = " ".join(map(_hash, _scripts()))
    return (
        f"default-src 'none'; script-src {scripts}; style-src {_hash(_style())}; "
        "img-src data: blob:; media-src blob:; connect-src 'none'; form-action 'none'; "
        "base-uri 'none'"
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
