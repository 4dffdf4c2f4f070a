"""A copy of the log in a folder (c2sp.org/tlog-tiles), read once from the first leaf to the last.

Standard library only, like all that the offline verifier stands on. What is held is a bundle and
the right edge of the tree, whatever the log's size.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from exchange.audit.answering import had
from exchange.audit.merkle import (
    HASH_SIZE,
    TILE_WIDTH,
    Frontier,
    ProofError,
    leaf_hash,
    split_entries,
    tile_name,
    tiles_over,
)
from exchange.audit.note import Checkpoint


class LogCopy:
    """One pass over a copy of the log: roots at the sizes asked for, and the tiles' first fault.

    `wanted` are hashes of leaves to look for.
    """

    def __init__(
        self, folder: Path, sizes: Collection[int], wanted: Collection[bytes] = ()
    ) -> None:
        self._folder = folder
        self._sizes = sizes
        self._frontier = Frontier()
        self._roots: dict[int, bytes] = {}
        self._fault = ""
        self._wanted = set(wanted)
        #: Where the wanted leaves are, by their hash.
        self.found: dict[bytes, int] = {}
        #: The last leaf read.
        self.last = b""
        self.has_tiles = (folder / "tile" / "0").is_dir()

    def read(self, size: int) -> None:
        """Read all entries. Raises ProofError where some are missing."""
        for level, number, tile in tiles_over(self._hashes(size)):
            if self.has_tiles and not self._fault:
                name = tile_name(level, number, len(tile) // HASH_SIZE)
                held, wide = self._file(level, number, len(tile) // HASH_SIZE)
                if held is None or held[: len(tile)] != tile or len(held) != wide * HASH_SIZE:
                    self._fault = f"{name} is missing or does not hold the entries' hashes"
                for width, older in self._older(level, number):
                    end = width * HASH_SIZE
                    if len(older) != end or older[: len(tile)] != tile[:end]:
                        self._fault = f"{tile_name(level, number, width)} holds other hashes"

    def check_root(self, checkpoint: Checkpoint | None) -> None:
        """Raises ProofError unless the first entries have the checkpoint's root."""
        wanted = had(checkpoint)
        if self._roots.get(wanted.size) != wanted.root:
            raise ProofError(f"the first {wanted.size} entries have another root")

    def check_tiles(self) -> None:
        """Raises ProofError with the first fault of the tiles."""
        if self._fault or self._frontier.size not in self._roots:
            raise ProofError(self._fault or "the entries could not be read to their end")

    def _hashes(self, size: int) -> Iterator[bytes]:
        for start in range(0, size, TILE_WIDTH):
            entries = self._entries(start, min(TILE_WIDTH, size - start))
            for entry in entries:
                self._keep_root()
                value = leaf_hash(entry)
                if value in self._wanted:
                    self.found.setdefault(value, self._frontier.size)
                self._frontier.add(value)
                yield value
            self.last = entries[-1]
        self._keep_root()

    def _entries(self, start: int, width: int) -> list[bytes]:
        number = start // TILE_WIDTH
        bundle, held_width = self._file("entries", number, width)
        entries = [] if bundle is None else split_entries(bundle)
        if len(entries) != held_width:
            raise ProofError(f"entries {start} to {start + width - 1} are not all there, or more")
        for older_width, older in self._older("entries", number):
            held = split_entries(older)
            if len(held) != older_width or held[:width] != entries[:older_width][:width]:
                name = tile_name("entries", number, older_width)
                raise ProofError(f"{name} does not hold the first of those entries")
        return entries[:width]

    def _keep_root(self) -> None:
        if self._frontier.size in self._sizes:
            self._roots[self._frontier.size] = self._frontier.root()

    def _file(self, level: int | str, number: int, width: int) -> tuple[bytes | None, int]:
        """What is held of a tile that is as wide as needed, or whole; and how wide it has to be."""
        for wide in (width, TILE_WIDTH):
            path = self._folder / tile_name(level, number, wide)
            if path.is_file():
                return path.read_bytes(), wide
        return None, width

    def _older(self, level: int | str, number: int) -> Iterator[tuple[int, bytes]]:
        """Partial tiles that were left behind when the log grew, by their width."""
        folder = self._folder / f"{tile_name(level, number)}.p"
        if folder.is_dir():
            for path in sorted(folder.iterdir()):
                if path.name.isdecimal() and 0 < int(path.name) < TILE_WIDTH:
                    yield int(path.name), path.read_bytes()
