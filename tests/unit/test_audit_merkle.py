"""Trees, proofs and tiles against the recursive definitions of RFC 6962."""

import hashlib
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.audit.merkle import (
    EMPTY_ROOT,
    HASH_SIZE,
    ProofError,
    TiledTree,
    check_consistency,
    check_inclusion,
    grow,
    join_entries,
    leaf_hash,
    levels_of,
    node_hash,
    path_of,
    paths_of,
    root_of,
    split_entries,
    tile_name,
)

LEAVES = [leaf_hash(str(i).encode()) for i in range(70_000)]


def naive_root(leaves):
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = naive_split(len(leaves))
    return node_hash(naive_root(leaves[:k]), naive_root(leaves[k:]))


def naive_split(n):
    k = 1
    while k * 2 < n:
        k *= 2
    return k


def naive_path(m, leaves):
    if len(leaves) == 1:
        return []
    k = naive_split(len(leaves))
    if m < k:
        return [*naive_path(m, leaves[:k]), naive_root(leaves[k:])]
    return [*naive_path(m - k, leaves[k:]), naive_root(leaves[:k])]


def naive_consistency(m, leaves, whole=True):
    if m == len(leaves):
        return [] if whole else [naive_root(leaves)]
    k = naive_split(len(leaves))
    if m <= k:
        return [*naive_consistency(m, leaves[:k], whole), naive_root(leaves[k:])]
    return [*naive_consistency(m - k, leaves[k:], False), naive_root(leaves[:k])]


class MemoryTiles:
    def __init__(self):
        self.tiles = {}
        self.size = 0
        self.reads = 0

    def read(self, level, number, width):
        self.reads += 1
        tile = self.tiles[level, number]
        assert len(tile) >= width * HASH_SIZE
        return tile

    def add(self, leaves):
        written = list(grow(self.size, leaves, self.read))
        for level, number, tile in written:
            old = self.tiles.get((level, number), b"")
            assert tile.startswith(old)
            self.tiles[level, number] = tile
        self.size += len(leaves)
        return written


def tiled(size):
    tiles = MemoryTiles()
    tiles.add(LEAVES[:size])
    return TiledTree(size, tiles.read)


@pytest.mark.parametrize("size", [*range(1, 20), 127, 128, 129, 512])
def test_all_paths_at_once_are_the_paths(size):
    levels = levels_of(LEAVES[:size])
    assert paths_of(levels) == [path_of(levels, index) for index in range(size)]


@given(st.integers(1, 300), st.data())
def test_a_tree_held_whole_is_the_recursive_one(size, data):
    index = data.draw(st.integers(0, size - 1))
    levels = levels_of(LEAVES[:size])
    path = path_of(levels, index)
    assert levels[-1] == [naive_root(LEAVES[:size])] == [root_of(LEAVES[:size])]
    assert list(path) == naive_path(index, LEAVES[:size])
    check_inclusion(LEAVES[index], index, size, path, levels[-1][0])


@settings(deadline=None)
@given(st.integers(1, 700), st.data())
def test_tiles_prove_what_the_recursion_proves(size, data):
    index = data.draw(st.integers(0, size - 1))
    first = data.draw(st.integers(1, size))
    tree = tiled(size)
    root = tree.root()
    assert root == naive_root(LEAVES[:size])
    assert tree.inclusion_proof(index) == naive_path(index, LEAVES[:size])
    proof = tree.consistency_proof(first)
    assert proof == naive_consistency(first, LEAVES[:size])
    check_consistency(first, naive_root(LEAVES[:first]), size, root, proof)
    earlier = tree.prefix(first)
    assert earlier.root() == naive_root(LEAVES[:first])


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(0, 400), min_size=1, max_size=8))
def test_growing_by_parts_makes_the_same_tiles(parts):
    tiles = MemoryTiles()
    for part in parts:
        tiles.add(LEAVES[tiles.size : tiles.size + part])
    whole = MemoryTiles()
    whole.add(LEAVES[: tiles.size])
    assert tiles.tiles == whole.tiles


def test_growing_reads_the_right_edge_only():
    tiles = MemoryTiles()
    tiles.add(LEAVES[:66_000])
    tiles.reads = 0
    written = tiles.add(LEAVES[66_000:66_010])
    assert tiles.reads == 1
    assert [(level, number) for level, number, _ in written] == [(0, 257)]


def test_a_tree_of_70000_has_the_tiles_that_the_specification_counts():
    tiles = MemoryTiles()
    tiles.add(LEAVES)
    width = {key: len(tile) // HASH_SIZE for key, tile in tiles.tiles.items()}
    assert width[0, 273] == 112
    assert width[1, 0] == 256
    assert width[1, 1] == 17
    assert width[2, 0] == 1
    assert len(width) == 273 + 1 + 2 + 1
    tree = TiledTree(70_000, tiles.read)
    for index in (0, 65_535, 65_536, 69_999):
        path = tree.inclusion_proof(index)
        check_inclusion(LEAVES[index], index, 70_000, path, tree.root())


@given(st.integers(1, 200), st.data())
def test_any_change_of_an_inclusion_proof_is_caught(size, data):
    index = data.draw(st.integers(0, size - 1))
    levels = levels_of(LEAVES[:size])
    path, root = list(path_of(levels, index)), levels[-1][0]
    other = hashlib.sha256(b"other").digest()
    wrong = [
        (other, index, size, path, root),
        (LEAVES[index], index, size, [*path, other], root),
        (LEAVES[index], index, size, [other, *path], root),
        (LEAVES[index], index, size, path, other),
        (LEAVES[index], size, size, path, root),
        (LEAVES[index], -1, size, path, root),
        (LEAVES[index][:31], index, size, path, root),
    ]
    if path:
        wrong += [
            (LEAVES[index], index, size, path[:-1], root),
            (LEAVES[index], index, size, [other, *path[1:]], root),
            (LEAVES[index], index ^ 1, size, path, root),
        ]
    for arguments in wrong:
        with pytest.raises(ProofError):
            check_inclusion(*arguments)


@given(st.integers(2, 200), st.data())
def test_any_change_of_a_consistency_proof_is_caught(size, data):
    first = data.draw(st.integers(1, size - 1))
    old, new = naive_root(LEAVES[:first]), naive_root(LEAVES[:size])
    proof = naive_consistency(first, LEAVES[:size])
    other = hashlib.sha256(b"other").digest()
    wrong = [
        (first, other, size, new, proof),
        (first, old, size, other, proof),
        (first, old, size, new, [*proof, other]),
        (first, old, size, new, [other, *proof]),
        (first, old, size, new, proof[:-1]),
        (size, new, first, old, proof),
        (first, old, first, old, proof),
        (0, EMPTY_ROOT, size, new, proof),
        (0, old, size, new, []),
    ]
    wrong += [
        (first, old, size, new, [*proof[:place], other, *proof[place + 1 :]])
        for place in range(len(proof))
    ]
    for arguments in wrong:
        with pytest.raises(ProofError):
            check_consistency(*arguments)


def test_a_node_is_not_a_leaf():
    left, right = LEAVES[:2]
    assert node_hash(left, right) != leaf_hash(left + right)


def test_tile_names_are_those_of_the_specification():
    assert tile_name(0, 1_234_067) == "tile/0/x001/x234/067"
    assert tile_name(3, 5, 112) == "tile/3/005.p/112"
    assert tile_name("entries", 999) == "tile/entries/999"
    assert tile_name("entries", 1000, 1) == "tile/entries/x001/000.p/1"


@given(st.lists(st.binary(max_size=300)))
def test_entry_bundles_are_read_back(entries):
    bundle = join_entries(entries)
    assert split_entries(bundle) == entries
    for end in range(1, len(bundle)):
        with suppress(ProofError):
            assert split_entries(bundle[:end]) == entries[: len(split_entries(bundle[:end]))]


def test_an_entry_longer_than_its_length_field_is_refused():
    with pytest.raises(OverflowError):
        join_entries([b"x" * 65_536])
