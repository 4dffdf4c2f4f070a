"""Published vectors: RFC 6962 hashing and proofs, c2sp notes, checkpoints, tiles and proofs."""

import base64
import json
from pathlib import Path

import pytest

from exchange.audit.merkle import (
    EMPTY_ROOT,
    ProofError,
    TiledTree,
    check_consistency,
    check_inclusion,
    grow,
    leaf_hash,
    node_hash,
    root_of,
    tile_name,
)
from exchange.audit.note import (
    NoteError,
    Proof,
    Verifier,
    WitnessVerifier,
    cosigners,
    open_checkpoint,
    open_note,
    proof_text,
    read_proof,
    split_note,
)
from runtime.signing import LogKey

VECTORS = json.loads((Path(__file__).parent / "data" / "tlog" / "merkle.json").read_text())

# The eight leaves and the roots after each that Certificate Transparency's tests have used since
# the RFC's reference implementation.
INPUTS = [
    "", "00", "10", "2021", "3031", "40414243", "5051525354555657",
    "606162636465666768696a6b6c6d6e6f",
]  # fmt: skip
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]

# c2sp.org/signed-note, the example of verifier keys.
NOTE_KEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
NOTE = (
    "This is an example message.\n\n— example.com/foo "
    "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
)

# The Go checksum database's key, and two checkpoints that it signed.
SUMDB_KEY = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"
SUMDB_NOTES = [
    "go.sum database tree\n15081221\nBoMMe1wd25Tco0mYGROkyqxHZWx+hcSCtMV315Lu6Lg=\n\n"
    "— sum.golang.org Az3grilD7vQqTrv66jRgKM84Y80KTprrSt4bKmiOPxgmS5ZVBTeCl6dUvjYnN13R"
    "+C8j0jGY1WnUADGMkok3U0m2Zgo=\n",
    "go.sum database tree\n63096908\n8lHrQPRYe4KT4WQ9/Qk8/taKnD6IRHbFgfN7vQE2Y54=\n\n"
    "— sum.golang.org Az3gri/oVBN1jAhNZ/iS+W31psFAWRT20/GyrhpU6taFwulQGetBkH5S7wpGXdS9"
    "35jiIGiUUAXBVHzT/P6fYhqAmAk=\n",
]


def test_hashes_of_rfc_6962() -> None:
    assert EMPTY_ROOT.hex() == ROOTS[0]
    assert leaf_hash(b"").hex() == ROOTS[1]
    assert leaf_hash(b"L123456").hex() == (
        "395aa064aa4c29f7010acfe3f25db9485bbd4b91897b6ad7ad547639252b4d56"
    )
    assert node_hash(b"N123", b"N456").hex() == (
        "aa217fe888e47007fa15edab33c2b492a722cb106c64667fc2b044444de66bbb"
    )


def test_a_leaf_of_the_go_checksum_database() -> None:
    name = "github.com/transparency-dev/tessera v1.0.0"
    leaf = (
        f"{name} h1:4OT1V9xJLa5NnYlFWWlCdZkCm18/o12rdd+bCTje7XE=\n"
        f"{name}/go.mod h1:TLvfjlkbmsmKVEJUtzO2eb9Q2IBnK3EJ0dI4G0oxEOU=\n"
    )
    assert base64.b64encode(leaf_hash(leaf.encode())) == (
        b"D6V8URw7L/zAoFrWMXJWjSZar5hE6bY2oJeHlTlvKrE="
    )


@pytest.mark.parametrize("size", range(9))
def test_roots_of_the_reference_trees(size: int) -> None:
    leaves = [leaf_hash(bytes.fromhex(text)) for text in INPUTS[:size]]
    assert root_of(leaves).hex() == ROOTS[size]
    tiles = {(level, number): tile for level, number, tile in grow(0, leaves, lambda *_: b"")}
    assert TiledTree(size, lambda level, number, _: tiles[level, number]).root() == root_of(leaves)


def unpacked(texts: list[str]) -> list[bytes]:
    return [base64.b64decode(text) for text in texts]


@pytest.mark.parametrize("vector", VECTORS["inclusion"], ids=lambda v: v[0])
def test_inclusion_vectors(vector: list) -> None:
    _, index, size, root, leaf, path, valid = vector
    root, leaf = unpacked([root, leaf])
    if valid:
        check_inclusion(leaf, index, size, unpacked(path), root)
    else:
        with pytest.raises(ProofError):
            check_inclusion(leaf, index, size, unpacked(path), root)


@pytest.mark.parametrize("vector", VECTORS["consistency"], ids=lambda v: v[0])
def test_consistency_vectors(vector: list) -> None:
    name, first, second, first_root, second_root, proof, valid = vector
    first_root, second_root = unpacked([first_root, second_root])
    # We ask roots to be hashes; one valid vector has a text for a root.
    if valid and len(first_root) == 32:
        check_consistency(first, first_root, second, second_root, unpacked(proof))
    else:
        assert not valid or name == "additional/sizes-are-equal-one-and-proof-is-empty"
        with pytest.raises(ProofError):
            check_consistency(first, first_root, second, second_root, unpacked(proof))


def test_the_note_of_the_specification() -> None:
    verifier = Verifier(NOTE_KEY)
    assert open_note(NOTE, verifier) == "This is an example message.\n"
    with pytest.raises(NoteError):
        open_note(NOTE.replace("example message", "another message"), verifier)


@pytest.mark.parametrize("note", SUMDB_NOTES, ids=["2023", "2026"])
def test_checkpoints_that_other_software_signed(note: str) -> None:
    verifier = Verifier(SUMDB_KEY)
    assert open_note(note, verifier).startswith("go.sum database tree\n")
    with pytest.raises(NoteError, match="another log"):
        open_checkpoint(note, verifier)  # that log's key has another name than its origin
    with pytest.raises(NoteError):
        open_note(note.replace("\n6", "\n7").replace("\n15", "\n16"), verifier)
    witnessed = note + "— test.example.com qTGhC3917mAr6hGh+T55tNjxaej/D/GQivJZRIj7XGdAcQOT\n"
    assert open_note(witnessed, verifier) == open_note(note, verifier)


def test_our_key_has_the_id_that_the_specification_computes() -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = LogKey("example.com/foo", Ed25519PrivateKey.generate())
    assert Verifier(key.verifier_key).key_id == key.key_id


def test_the_layout_of_a_proof() -> None:
    hashes = (leaf_hash(b"1"), leaf_hash(b"2"))
    lines = [base64.b64encode(value).decode() for value in hashes]
    text = f"c2sp.org/tlog-proof@v1\nindex 5\n{lines[0]}\n{lines[1]}\n\ntest checkpoint\n"
    proof = Proof(index=5, path=hashes, checkpoint="test checkpoint\n")
    assert proof_text(proof) == text
    assert read_proof(text) == proof
    extra = text.replace("index", "extra ZXh0cmE=\nindex")
    assert read_proof(extra) == proof
    empty = "c2sp.org/tlog-proof@v1\nindex 0\n\ncheckpoint\n"
    assert proof_text(Proof(index=0, path=(), checkpoint="checkpoint\n")) == empty
    assert read_proof(empty) == Proof(index=0, path=(), checkpoint="checkpoint\n")


@pytest.mark.parametrize("text", [
    "wrong-header\nindex 0\n\ncheckpoint\n",
    "c2sp.org/tlog-proof@v1\n",
    "c2sp.org/tlog-proof@v1\n\ncheckpoint\n",
    "c2sp.org/tlog-proof@v1\nindex notanumber\n\ncheckpoint\n",
    "c2sp.org/tlog-proof@v1\nindex 01\n\ncheckpoint\n",
    "c2sp.org/tlog-proof@v1\nindex -1\n\ncheckpoint\n",
    "c2sp.org/tlog-proof@v1\nextra !!notbase64!!\nindex 0\n\ncheckpoint\n",
    "c2sp.org/tlog-proof@v1\nindex 0\nAAAA\n\ncheckpoint\n",
    "c2sp.org/tlog-proof@v1\nindex 0\nnot base64\n\ncheckpoint\n",
])  # fmt: skip
def test_malformed_proofs_are_refused(text: str) -> None:
    with pytest.raises(NoteError):
        read_proof(text)


@pytest.mark.parametrize(("number", "name"), [
    (0, "tile/0/000"), (273, "tile/0/273"), (1234067, "tile/0/x001/x234/067"),
])  # fmt: skip
def test_tile_names_of_the_specification(number: int, name: str) -> None:
    assert tile_name(0, number) == name


# A checkpoint of a public log for certificates with the cosignatures of public witnesses, and the
# keys that these witnesses publish.
WITNESSED = (
    "arche2025h1.staging.ct.transparency.dev\n1432088532\n"
    "U7WM79jrzyhGZ5/GUBTpM7NzwdyfFx61t3RovgcC4Ro=\n\n"
    "— arche2025h1.staging.ct.transparency.dev ui8GwCF1+kWqZrxGdhj4aX3gcw7XUlXQQabg/27lefwhUkzbC3N"
    "ygNI75MdhL1bfTW9g8Ei59RA23oHP7Ry1k3ZFWwQ=\n"
    "— witness1.smartit.nu/witness1 pIyCDwAAAABqEiEghIp82KWebrw7/oHQwlTAm3g2RKS4+eebl8eO0WH+/iEcxZ7"
    "5W3u5hNI7TOQtmJbqmNWVuE0tgh0XwzdZsDsUAQ==\n"
    "— remora.n621.de 2net5wAAAABqEiEgPlfF3V06o0Y+fHM+J5J9s27wgxxcOVSpZ/2g/KSiXCg9DEZI+aVCIobWX9sXT"
    "ynk5XeU/zZ0WBxtqB0DrAWfBw==\n"
    "— witness.stagemole.eu Z/euoAAAAABqEiEgw0i+7g2ENfDAWHmtRzCfKTHSDwYDJA2NmKeGi9Y8FtEyOUvVr+AJmIY"
    "/2TUFucgKi7lI7cUiOvKFYe/TmN9DAg==\n"
)
LOG_OF_IT = (
    "arche2025h1.staging.ct.transparency.dev+ba2f06c0+AU0vHmlGCS/PdN8b2OaGmKprLI8HKM+dJ472xgFYh15f"
)
WITNESSES = {
    "witness1.smartit.nu/witness1": "a48c820f+BPSFWg9G6KPiO7QPryYO5Xq4oYJJ+kAvLKLSimDhoxMO",
    "remora.n621.de": "da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2",
    "witness.stagemole.eu": "67f7aea0+BEqSG3yu9YrmcM3BHvQYTxwFj3uSWakQepafafpUqklv",
}


def test_cosignatures_of_public_witnesses_verify() -> None:
    witnesses = [WitnessVerifier(f"{name}+{key}") for name, key in WITNESSES.items()]
    assert open_checkpoint(WITNESSED, Verifier(LOG_OF_IT)).size == 1432088532
    assert cosigners(WITNESSED, witnesses) == dict.fromkeys(WITNESSES, 1779573024)


@pytest.mark.parametrize("name", list(WITNESSES))
def test_a_cosignature_of_another_tree_or_time_does_not_verify(name: str) -> None:
    witness = WitnessVerifier(f"{name}+{WITNESSES[name]}")
    with pytest.raises(NoteError):
        cosigners(WITNESSED.replace("\n1432088532\n", "\n1432088533\n"), [witness])
    text, signatures = split_note(WITNESSED)
    (value,) = [value for of, value in signatures if of == name]
    time = int.from_bytes(value[4:12], "big")
    moved = value[:4] + (time + 1).to_bytes(8, "big") + value[12:]
    for wrong in (moved, value[:-1], value[:4] + b"\x80" + value[5:]):
        note = f"{text}\n— {name} {base64.b64encode(wrong).decode()}\n"
        with pytest.raises(NoteError):
            cosigners(note, [witness])


def test_a_witness_key_is_no_log_key_and_a_log_key_no_witness_key() -> None:
    with pytest.raises(NoteError):
        WitnessVerifier(LOG_OF_IT)
    for name, key in WITNESSES.items():
        with pytest.raises(NoteError):
            Verifier(f"{name}+{key}")
