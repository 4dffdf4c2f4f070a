"""The Merkle tree of RFC 6962: hashes, roots, proofs, and the tiles of c2sp.org/tlog-tiles.

Pure, standard library only, so that the offline verifier stands on nothing else.

1. A leaf hashes under the prefix 0x00 and a node under 0x01 (RFC 6962 2.1), so that a node can
   never be passed off as a leaf.
2. A proof is valid only if all of it is used and nothing is missing: no hash may be left over.
3. A tile of level L and number N holds the roots of the full subtrees of 256**L leaves that begin
   at N * 256**(L+1); it is immutable, and only a full one counts at the level above.
4. Tiles of a larger tree are made from the tiles on the right edge and the new leaves alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence

HASH_SIZE = 32
TILE_HEIGHT = 8
TILE_WIDTH = 1 << TILE_HEIGHT
EMPTY_ROOT = hashlib.sha256().digest()

#: The hashes of a tile, by level, number and width, joined; at least so wide.
TileReader = Callable[[int, int, int], bytes]
#: The same as the levels of the tree over them: `levels_of`.
TreeReader = Callable[[int, int, int], Sequence[Sequence[bytes]]]


class ProofError(ValueError):
    """A proof does not prove what it is said to; the text says where it fails."""


def leaf_hash(data: bytes) -> bytes:
    """Hash of a leaf (RFC 6962 2.1)."""
    return hashlib.sha256(b"\0" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of an inner node (RFC 6962 2.1)."""
    return hashlib.sha256(b"\1" + left + right).digest()


# A tree held whole: a batch, or a tile.


def levels_of(hashes: Sequence[bytes]) -> list[list[bytes]]:
    """All levels of the tree over leaf hashes, leaves first, root last.

    A node without a right sibling rises unchanged; that is the tree of RFC 6962 for every size.
    """
    sha256 = hashlib.sha256
    level = list(hashes)
    levels = [level]
    while len(level) > 1:
        above = [
            sha256(b"\1" + level[i] + level[i + 1]).digest() for i in range(0, len(level) - 1, 2)
        ]
        if len(level) % 2:
            above.append(level[-1])
        levels.append(above)
        level = above
    return levels


def root_of(hashes: Sequence[bytes]) -> bytes:
    """Root of the tree over leaf hashes."""
    return levels_of(hashes)[-1][0] if hashes else EMPTY_ROOT


def path_of(levels: Sequence[Sequence[bytes]], index: int) -> tuple[bytes, ...]:
    """Path from a leaf to the root (RFC 6962 2.1.1), the leaf's sibling first."""
    path = []
    for level in levels[:-1]:
        sibling = index ^ 1
        if sibling < len(level):
            path.append(level[sibling])
        index >>= 1
    return tuple(path)


def paths_of(levels: Sequence[Sequence[bytes]]) -> list[tuple[bytes, ...]]:
    """`path_of` of every leaf, in order: from the root down, what neighbours share is made once."""
    paths: list[tuple[bytes, ...]] = [()]
    for level in reversed(levels[:-1]):
        size = len(level)
        paths = [
            (level[place ^ 1], *paths[place >> 1]) if place ^ 1 < size else paths[place >> 1]
            for place in range(size)
        ]
    return paths


# Verifying: from the proof alone.


def root_from_path(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes:
    """The root that a path leads to (RFC 9162 2.1.3.2).

    `leaf` is the leaf's hash. Raises ProofError where index, size and length of the path cannot
    belong together.
    """
    if not 0 <= index < size:
        raise ProofError("the leaf's index is not below the tree's size")
    _check_hashes([leaf, *path])
    root = leaf
    for sibling, on_left in _climb(index, size - 1, path):
        root = node_hash(sibling, root) if on_left else node_hash(root, sibling)
    return root


def check_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> None:
    """Check that a leaf hash is at an index of the tree. Raises ProofError."""
    if root_from_path(leaf, index, size, path) != root:
        raise ProofError("the path leads to another root")


def check_consistency(
    first: int, first_root: bytes, second: int, second_root: bytes, proof: Sequence[bytes]
) -> None:
    """Check that the tree of the first size is a prefix of the second (RFC 9162 2.1.4.2).

    Raises ProofError. Every tree extends the empty one, with an empty proof.
    """
    _check_hashes([first_root, second_root, *proof])
    if not 0 <= first <= second:
        raise ProofError("the later tree is smaller than the earlier one")
    if first in (0, second):
        if proof or first_root != (second_root if first else EMPTY_ROOT):
            raise ProofError("equal or empty trees have one root each and an empty proof")
        return
    old, new = prefix_roots(first, first_root, second, proof)
    if old != first_root:
        raise ProofError("the earlier tree is no prefix of the later one")
    if new != second_root:
        raise ProofError("the proof leads to another root")


def prefix_roots(
    first: int, first_root: bytes, second: int, proof: Sequence[bytes]
) -> tuple[bytes, bytes]:
    """The roots of the first size and of the second that a consistency proof leads to.

    A proof that leads to the root of the second size shows what the root of its first leaves is,
    whoever gave it; but where the first size is a power of two, `first_root` is taken as given.
    0 < first < second. Raises ProofError where the proof's length does not fit.
    """
    _check_hashes([first_root, *proof])
    # A full subtree's root is where the climb begins, and the verifier has it already.
    hashes = [first_root, *proof] if first & (first - 1) == 0 else list(proof)
    if not hashes:
        raise ProofError("the proof is too short")
    node, last = first - 1, second - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    old = new = hashes[0]
    for sibling, on_left in _climb(node, last, hashes[1:]):
        if on_left:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
        else:
            new = node_hash(new, sibling)
    return old, new


def _climb(node: int, last: int, proof: Sequence[bytes]) -> Iterator[tuple[bytes, bool]]:
    """Each hash of a proof, and whether it is a left sibling, from `node` up to the root.

    `last` is the last node of the level. Raises ProofError where a hash is left over or missing.
    """
    for sibling in proof:
        if last == 0:
            raise ProofError("the proof is too long for the tree's size")
        on_left = bool(node & 1) or node == last
        yield sibling, on_left
        if on_left:
            while node and not node & 1:
                node, last = node >> 1, last >> 1
        node, last = node >> 1, last >> 1
    if last:
        raise ProofError("the proof is too short for the tree's size")


def _check_hashes(hashes: Iterable[bytes]) -> None:
    if any(len(value) != HASH_SIZE for value in hashes):
        raise ProofError("a hash is not of 32 bytes")


# Proving: from tiles.


class TiledTree:
    """A tree of a size, read from tiles."""

    def __init__(
        self,
        size: int,
        read: TileReader,
        *,
        held: int | None = None,
        upper: TreeReader | None = None,
    ) -> None:
        self.size = size
        self._read = read
        self._held = size if held is None else held  # the size whose partial tiles there are
        self._upper = upper
        #: Of each level the tile that was read last: a path asks it once for each height.
        self._last: dict[int, tuple[tuple[int, int], Sequence[Sequence[bytes]]]] = {}

    def prefix(self, size: int) -> TiledTree:
        """The tree that this one was at an earlier size, read from this one's tiles."""
        return TiledTree(size, self._read, held=self._held, upper=self._upper)

    def node(self, height: int, index: int) -> bytes:
        """Root of the full subtree of 2**height leaves that begins at index * 2**height."""
        level, within = divmod(height, TILE_HEIGHT)
        first = index << within
        number, start = divmod(first, TILE_WIDTH)
        width = min(TILE_WIDTH, (self._held >> (level * TILE_HEIGHT)) - number * TILE_WIDTH)
        try:
            return self._tree_of(level, number, width)[within][start >> within]
        except IndexError:
            raise ProofError("a tile is shorter than its name says") from None

    def _tree_of(self, level: int, number: int, width: int) -> Sequence[Sequence[bytes]]:
        last = self._last.get(level)
        if last is not None and last[0] == (number, width):
            return last[1]
        if level and self._upper is not None:
            levels = self._upper(level, number, width)
        else:
            levels = levels_of(split_hashes(self._read(level, number, width)))
        self._last[level] = ((number, width), levels)
        return levels

    def root(self) -> bytes:
        """Root of the whole tree."""
        return self._hash(0, self.size) if self.size else EMPTY_ROOT

    def inclusion_proof(self, index: int) -> list[bytes]:
        """Path of a leaf (RFC 6962 2.1.1). Raises ProofError outside the tree."""
        if not 0 <= index < self.size:
            raise ProofError("the tree has no leaf of this index")
        begin, end, path = 0, self.size, []
        while end - begin > 1:
            middle = begin + _split(end - begin)
            if index < middle:
                path.append(self._hash(middle, end))
                end = middle
            else:
                path.append(self._hash(begin, middle))
                begin = middle
        return path[::-1]

    def consistency_proof(self, first: int) -> list[bytes]:
        """Proof that the tree of size `first` is a prefix (RFC 6962 2.1.2).

        Empty for the empty tree and for the tree itself. Raises ProofError for a larger one.
        """
        if not 0 <= first <= self.size:
            raise ProofError("the earlier tree is larger than this one")
        begin, end = 0, self.size
        proof: list[bytes] = []
        if first in (0, self.size):
            return proof
        while end != first:
            middle = begin + _split(end - begin)
            if first <= middle:
                proof.append(self._hash(middle, end))
                end = middle
            else:
                proof.append(self._hash(begin, middle))
                begin = middle
        if begin:  # otherwise the verifier has this hash: it is the earlier root
            proof.append(self._hash(begin, end))
        return proof[::-1]

    def _hash(self, begin: int, end: int) -> bytes:
        """Root over the leaves [begin, end), which begin where a subtree of RFC 6962 does."""
        count = end - begin
        if count & (count - 1) == 0:
            height = count.bit_length() - 1
            return self.node(height, begin >> height)
        middle = begin + _split(count)
        return node_hash(self._hash(begin, middle), self._hash(middle, end))


def _split(count: int) -> int:
    """The largest power of two below `count` (RFC 6962 2.1)."""
    return 1 << (count - 1).bit_length() - 1


def split_hashes(joined: bytes) -> list[bytes]:
    """The hashes of a tile. Raises ProofError where its length is no multiple of 32."""
    if len(joined) % HASH_SIZE:
        raise ProofError("a tile is not made of whole hashes")
    return [joined[i : i + HASH_SIZE] for i in range(0, len(joined), HASH_SIZE)]


# Growing: tiles of the larger tree.


def grow(size: int, leaves: Sequence[bytes], read: TileReader) -> Iterator[tuple[int, int, bytes]]:
    """Tiles (level, number, hashes) that the tree of `size` leaves gets with new leaf hashes.

    Reads only the partial tiles on the right edge of the tree of `size`.
    """
    new, level = list(leaves), 0
    while new:
        held = size >> (level * TILE_HEIGHT)
        number, width = divmod(held, TILE_WIDTH)
        edge = read(level, number, width)[: width * HASH_SIZE] if width else b""
        hashes = split_hashes(edge) + new
        new = []
        for start in range(0, len(hashes), TILE_WIDTH):
            tile = hashes[start : start + TILE_WIDTH]
            yield level, number, b"".join(tile)
            if len(tile) == TILE_WIDTH:
                new.append(root_of(tile))
            number += 1
        level += 1


class Frontier:
    """A tree that grows leaf by leaf and keeps the roots of its full subtrees only."""

    __slots__ = ("_roots", "size")

    def __init__(self) -> None:
        self.size = 0
        self._roots: list[bytes] = []

    def add(self, leaf: bytes) -> None:
        """Add a leaf's hash."""
        carried, height = leaf, 0
        while self.size >> height & 1:
            carried = node_hash(self._roots.pop(), carried)
            height += 1
        self._roots.append(carried)
        self.size += 1

    def root(self) -> bytes:
        """Root of the tree so far."""
        if not self._roots:
            return EMPTY_ROOT
        root = self._roots[-1]
        for left in reversed(self._roots[:-1]):
            root = node_hash(left, root)
        return root


def tiles_over(leaves: Iterable[bytes]) -> Iterator[tuple[int, int, bytes]]:
    """All tiles (level, number, hashes) of the tree over leaf hashes, each when it is complete.

    The partial ones come at the end. Holds one tile a level at a time.
    """
    open_tiles: list[tuple[int, list[bytes]]] = []

    def put(level: int, value: bytes) -> Iterator[tuple[int, int, bytes]]:
        if level == len(open_tiles):
            open_tiles.append((0, []))
        number, hashes = open_tiles[level]
        hashes.append(value)
        if len(hashes) == TILE_WIDTH:
            yield level, number, b"".join(hashes)
            open_tiles[level] = (number + 1, [])
            yield from put(level + 1, root_of(hashes))

    for leaf in leaves:
        yield from put(0, leaf)
    for level, (number, hashes) in enumerate(open_tiles):
        if hashes:
            yield level, number, b"".join(hashes)


def tile_name(level: int | str, number: int, width: int = TILE_WIDTH) -> str:
    """Name of a tile, or with level "entries" of an entry bundle (c2sp.org/tlog-tiles)."""
    parts = [f"{number % 1000:03}"]
    while number >= 1000:
        number //= 1000
        parts.append(f"x{number % 1000:03}")
    suffix = "" if width == TILE_WIDTH else f".p/{width}"
    return f"tile/{level}/{'/'.join(reversed(parts))}{suffix}"


def join_entries(entries: Iterable[bytes]) -> bytes:
    """An entry bundle: each entry behind its length in 16 bits, big-endian (c2sp.org/tlog-tiles).

    Raises OverflowError for an entry beyond 65,535 bytes.
    """
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)


def split_entries(bundle: bytes) -> list[bytes]:
    """The entries of a bundle. Raises ProofError where it ends within one."""
    entries, at = [], 0
    while at < len(bundle):
        end = at + 2 + int.from_bytes(bundle[at : at + 2], "big")
        if at + 2 > len(bundle) or end > len(bundle):
            raise ProofError("an entry bundle ends within an entry")
        entries.append(bundle[at + 2 : end])
        at = end
    return entries
