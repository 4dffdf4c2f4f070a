"""Large files of a package, read by pieces: as strict as small ones, from whatever they lie in."""

from __future__ import annotations

import io
import random
import zipfile
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.errors import FailedPrecondition, InvalidArgument
from seal.ofd.markup import XmlScan, checked_pieces, scan_xml
from seal.ofd.package import Entry, OfdPackage, PackageError, read_package
from seal.ofd.signing import finish_ofd_into, prepare_ofd
from seal.placement import AcrossEdges, Keyword
from seal.verify import assess
from tests.builders.ofd import (
    CORNER,
    NOW,
    SEALED_AT,
    SIZE,
    lying_size,
    pack,
    plain_ofd,
    seal_ofd,
    unpack,
    world,
)

BIG = random.Random(7).randbytes(1_000_000)
PIECE = 128 * 1024


def _large(data: bytes, name: str = "Doc_0/big.bin", method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO(plain_ofd())
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr(name, data, method)
    return buffer.getvalue()


def _refusal(package: OfdPackage, name: str = "Doc_0/big.bin") -> str:
    with pytest.raises(PackageError) as caught:
        list(checked_pieces(package, name))
    return caught.value.check


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED])
@pytest.mark.parametrize("size", [0, 1, PIECE, PIECE + 1, 4 * PIECE, 1_000_000])
def test_pieces_are_the_file(method: int, size: int) -> None:
    package = read_package(_large(BIG[:size], method=method))
    pieces = list(package.pieces("Doc_0/big.bin"))
    assert b"".join(pieces) == package.read("Doc_0/big.bin") == BIG[:size]
    assert max(map(len, pieces)) <= 256 * 1024


def test_text_that_packs_well() -> None:
    text = b"<a>" + b"0123456789 " * 90_000 + b"</a>"
    package = read_package(_large(text[:-4] + BIG[:20_000] + b"</a>"))
    assert b"".join(package.pieces("Doc_0/big.bin")) == text[:-4] + BIG[:20_000] + b"</a>"


@pytest.mark.parametrize("more", [-1, 1, -PIECE, PIECE])
def test_size_that_lies(more: int) -> None:
    data = lying_size(_large(BIG), "Doc_0/big.bin", len(BIG) + more)
    with pytest.raises(PackageError) as caught:
        b"".join(read_package(data).pieces("Doc_0/big.bin"))
    assert caught.value.check == "package_zip"


def test_last_piece_waits_for_the_checksum() -> None:
    packed = zlib.compress(BIG, wbits=-15)
    entry = Entry(name="a", method=8, crc=zlib.crc32(BIG) ^ 1, size=len(BIG), packed=packed)
    given_out: list[bytes] = []
    with pytest.raises(PackageError):
        given_out.extend(OfdPackage({"a": entry}).pieces("a"))
    assert sum(map(len, given_out)) < len(BIG)


@pytest.mark.parametrize("cut", [1, 5, 200_000])
def test_packed_bytes_that_end_early_or_late(cut: int) -> None:
    packed = zlib.compress(BIG, wbits=-15)
    for wrong in (packed[:-cut], packed + BIG[:cut]):
        entry = Entry(name="a", method=8, crc=zlib.crc32(BIG), size=len(BIG), packed=wrong)
        assert _refusal(OfdPackage({"a": entry}), "a") == "package_zip"


def test_bomb_ends_at_the_size_it_says() -> None:
    packed = zlib.compress(bytes(50_000_000), wbits=-15)
    entry = Entry(name="a", method=8, crc=0, size=400_000, packed=packed)
    assert _refusal(OfdPackage({"a": entry}), "a") == "package_zip"


@pytest.mark.parametrize("before", [PIECE - n for n in range(10)])
def test_declaration_across_two_pieces(before: int) -> None:
    text = b"<a>" + b" " * (before - 3) + b"<!DOCTYPE a>" + BIG.hex().encode()[:400_000] + b"</a>"
    package = read_package(_large(text, "Doc_0/big.dat"))
    assert _refusal(package, "Doc_0/big.dat") == "xml_no_dtd"
    with pytest.raises(PackageError) as caught:
        scan_xml(package, "Doc_0/big.dat", XmlScan())
    assert caught.value.check == "xml_no_dtd"


def test_document_with_a_document_type_anywhere_is_not_sealed() -> None:
    with pytest.raises(PackageError) as caught:
        seal_ofd(_large(b"<!DOCTYPE a><a/>", "Doc_0/extra.xml"))
    assert caught.value.check == "xml_no_dtd"


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_any_buffer_into_any_file(kind: type) -> None:
    document = _large(BIG)
    here = world()
    prepared = prepare_ofd(
        kind(document),
        seal=here.seal(),
        placements=[CORNER],
        seal_size_mm=SIZE,
        signed_at=SEALED_AT,
    )
    out = io.BytesIO()
    finish_ofd_into(
        prepared, out, signature=here.signer.sign(prepared.tbs), certificate=here.certificate
    )
    assert unpack(out.getvalue())["Doc_0/big.bin"] == BIG
    verdict = assess(memoryview(out.getvalue()), store=here.store(), now=NOW)
    assert verdict.summary == "1 signature(s): every check passed"


def test_unchanged_files_are_not_copied_before_they_are_written() -> None:
    document = _large(BIG, method=zipfile.ZIP_STORED)
    prepared = prepare_ofd(
        document, seal=world().seal(), placements=[CORNER], seal_size_mm=SIZE, signed_at=SEALED_AT
    )
    (entry,) = (one for one in prepared.entries if one.name == "Doc_0/big.bin")
    assert isinstance(entry.packed, memoryview)
    assert entry.packed.obj is document


SOUND = plain_ofd(2)


@settings(deadline=None, max_examples=300)
@given(st.lists(st.tuples(st.integers(0, len(SOUND) - 1), st.integers(0, 255)), max_size=6))
def test_damaged_packages_are_refused_by_name(changes: list[tuple[int, int]]) -> None:
    data = bytearray(SOUND)
    for at, value in changes:
        data[at] = value
    _seal_or_refuse(bytes(data))


@settings(deadline=None, max_examples=200)
@given(
    st.sampled_from(sorted(unpack(SOUND))),
    st.integers(0, 400),
    st.integers(0, 40),
    st.text("<>/\"'&= 0aZ中\x00", max_size=12),
)
def test_damaged_xml_is_refused_by_name(name: str, at: int, gone: int, put: str) -> None:
    files = unpack(SOUND)
    files[name] = files[name][:at] + put.encode() + files[name][at + gone :]
    _seal_or_refuse(pack(files))


def _seal_or_refuse(data: bytes) -> None:
    """What is sealed is sound; what is not is refused with a reason."""
    here = world()
    try:
        package = seal_ofd(data, placements=[Keyword(text="HELLO"), AcrossEdges(y_mm=50)])
    except (InvalidArgument, FailedPrecondition) as error:
        assert error.reason
        return
    verdict = assess(package, store=here.store(), now=NOW)
    assert verdict.summary == "1 signature(s): every check passed"
