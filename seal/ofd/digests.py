"""The digests of a package's files: each file by each method once, however many signatures ask.

By SM3 that is bounded by the package. What other methods may cost together is bounded here
(`package_limits`): the largest package, by one of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final

from seal.ofd.package import DEFAULT_LIMITS, OfdPackage, limits_error
from seal.suites import SM3_OID, digest_pieces, new_hash

MOST_OCTETS: Final = DEFAULT_LIMITS.total_bytes


class Digests:
    """Digests by file and method (OID)."""

    __slots__ = ("_known", "_octets", "_package")

    def __init__(self, package: OfdPackage) -> None:
        self._package = package
        self._known: dict[tuple[str, str], bytes] = {}
        self._octets = 0

    def of(self, name: str, by: str) -> bytes:
        """The digest of a file.

        Raises PackageError: no such file, or (never by SM3) too much is to be digested.
        """
        known = self._known.get((name, by))
        if known is None:
            if by != SM3_OID:
                self._count(name)
            known = digest_pieces(by, self._package.pieces(name))
            self._known[name, by] = known
        return known

    @contextmanager
    def taking(self, name: str, pieces: Iterable[bytes]) -> Iterator[Iterator[bytes]]:
        """A file's bytes for whoever wants some of them; its SM3 is known then, of all of them.

        Raises what the pieces raise.
        """
        hasher = new_hash(SM3_OID)

        def hashed() -> Iterator[bytes]:
            for piece in pieces:
                hasher.update(piece)
                yield piece

        taken = hashed()
        yield taken
        for _ in taken:
            pass
        self._known[name, SM3_OID] = hasher.finalize()

    def _count(self, name: str) -> None:
        self._octets += self._package.size(name)
        if self._octets > MOST_OCTETS:
            raise limits_error(
                f"the signatures need more than {MOST_OCTETS >> 20} MiB digested by other methods "
                "than SM3",
                f"除 SM3 外的摘要计算合计超过 {MOST_OCTETS >> 20} MiB",
            )
