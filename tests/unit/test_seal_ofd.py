"""The strict package reader, and what sealing writes."""

from __future__ import annotations

import base64
import io
import os
import struct
import time
import zipfile

import pytest

from runtime.errors import FailedPrecondition, InvalidArgument
from seal.ofd.markup import parse_xml, resolve
from seal.ofd.signing import (
    Limits,
    PackageError,
    prepare_ofd,
    read_package,
)
from seal.ofd.structure import doc_bodies, parse_signature_xml
from seal.placement import At
from seal.ses import parse_signature
from seal.suites import SM3_OID, digest
from tests.builders.ofd import (
    CORNER,
    SEALED_AT,
    SIZE,
    later,
    lying_size,
    pack,
    plain_ofd,
    renamed,
    seal_ofd,
    unpack,
    world,
)

PLAIN = plain_ofd()


def _refusal(data: bytes, limits: Limits | None = None) -> str:
    with pytest.raises(PackageError) as caught:
        _read_all(data, limits or Limits())
    return caught.value.check


def _read_all(data: bytes, limits: Limits) -> None:
    package = read_package(data, limits)
    for name in package:
        package.read(name)


def _with(name: str, data: bytes = b"x", **attributes: int) -> bytes:
    """The plain package with one more entry, written as it comes."""
    buffer = io.BytesIO(PLAIN)
    with zipfile.ZipFile(buffer, "a") as archive:
        info = zipfile.ZipInfo(name)
        for key, value in attributes.items():
            setattr(info, key, value)
        archive.writestr(info, data)
    return buffer.getvalue()


# --- reading --------------------------------------------------------------------------------


def test_reads_what_a_plain_zip_holds() -> None:
    package = read_package(PLAIN)
    assert {name: package.read(name) for name in package} == unpack(PLAIN)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_duplicate_name() -> None:
    assert _refusal(_with("OFD.xml")) == "package_duplicate_names"


@pytest.mark.parametrize(
    "name", ["ofd.XML", "Doc_0/document.xml", "doc_0", "Doc_0/PublicRes.xml/x"]
)
def test_name_that_some_readers_take_for_another(name: str) -> None:
    assert _refusal(_with(name)) == "package_duplicate_names"


def test_composed_and_decomposed_name() -> None:
    both = pack({**unpack(PLAIN), "Doc_0/\u00e9": b"1", "Doc_0/e\u0301": b"2"})
    assert _refusal(both) == "package_duplicate_names"


@pytest.mark.parametrize(
    "name",
    ["../evil", "/evil", "a/../../evil", "a//b", "./a", "C:evil", "a\\b", "a\u202eb", "a\x07b"],
)
def test_path_escape(name: str) -> None:
    assert _refusal(_with(name)) == "package_paths"


def test_name_that_is_not_utf8() -> None:
    assert _refusal(_with("AAAA").replace(b"AAAA", b"\xb2\xe2\xca\xd4")) == "package_paths"


def test_zip_bomb_by_ratio() -> None:
    assert _refusal(pack({**unpack(PLAIN), "Doc_0/zeros": bytes(17 << 20)})) == "package_limits"


def test_blank_pages_are_no_bomb() -> None:
    """A picture of one colour packs a thousandfold, and is genuine."""
    package = read_package(pack({**unpack(PLAIN), "Doc_0/Res/blank.bmp": b"\xff" * (3 << 20)}))
    assert package.size("Doc_0/Res/blank.bmp") == 3 << 20


def test_a_package_of_thousands_of_pages() -> None:
    files = {f"Doc_0/Pages/Page_{n}/Content.xml": b"<a/>" for n in range(16_000)}
    began = time.monotonic()
    assert len(list(read_package(pack({**unpack(PLAIN), **files})))) > 16_000
    assert time.monotonic() - began < 10


@pytest.mark.parametrize(
    "limits",
    [Limits(entries=2), Limits(entry_bytes=10), Limits(total_bytes=100), Limits(package_bytes=50)],
)
def test_limits(limits: Limits) -> None:
    assert _refusal(PLAIN, limits) == "package_limits"


def test_a_limit_is_told_with_its_file_and_number() -> None:
    package = pack({"a/big": os.urandom(3 << 20)})
    with pytest.raises(PackageError, match=r"/a/big is larger than 2 MiB"):
        read_package(package, Limits(entry_bytes=2 << 20))
    with pytest.raises(PackageError, match="more than 2 MiB together"):
        read_package(package, Limits(total_bytes=2 << 20))


def test_entry_that_inflates_past_what_it_says() -> None:
    size = len(unpack(PLAIN)["OFD.xml"])
    assert _refusal(lying_size(PLAIN, "OFD.xml", size - 9)) in {"package_limits", "package_zip"}


@pytest.mark.parametrize(
    ("after", "comment", "told"),
    [
        (b"\n", 0, "bytes follow the end of the package"),
        (bytes(200), 0, "bytes follow the end of the package"),
        (b"hi!", 3, "there is a comment at the end"),
        (b"A" * 300, 300, "there is a comment at the end"),
    ],
)
def test_what_follows_the_end_is_named(after: bytes, comment: int, told: str) -> None:
    data = PLAIN[:-2] + struct.pack("<H", comment) + after
    with pytest.raises(PackageError, match=told):
        read_package(data)


def test_document_of_another_namespace() -> None:
    files = unpack(PLAIN)
    other = b'<x:DocBody xmlns:x="urn:x"><x:DocRoot>Doc_0/Other.xml</x:DocRoot></x:DocBody>'
    files["OFD.xml"] = files["OFD.xml"].replace(b"<ofd:DocBody>", other + b"<ofd:DocBody>", 1)
    with pytest.raises(PackageError) as caught:
        doc_bodies(read_package(pack(files)))
    assert caught.value.check == "ofd_structure"


def test_prefix_comment_and_trailing_bytes() -> None:
    assert _refusal(b"MZ" + PLAIN) == "package_zip"
    assert _refusal(PLAIN + b"x") == "package_zip"
    for comment in (b"hi!", b"a comment", b"A" * 17, b"PK\x05\x06" + bytes(18)):
        commented = bytearray(PLAIN) + comment
        commented[len(PLAIN) - 2 : len(PLAIN)] = struct.pack("<H", len(comment))
        assert _refusal(bytes(commented)) == "package_zip"


def test_local_header_that_names_another_file() -> None:
    at = PLAIN.find(b"OFD.xml")
    assert _refusal(PLAIN[:at] + b"OFE.xml" + PLAIN[at + 7 :]) == "package_zip"


def test_hidden_bytes_between_entries() -> None:
    body = PLAIN.rfind(b"PK\x05\x06")
    start = struct.unpack_from("<L", PLAIN, body + 16)[0]
    moved = bytearray(PLAIN[:start] + b"hidden" + PLAIN[start:])
    struct.pack_into("<L", moved, body + 6 + 16, start + 6)
    assert _refusal(bytes(moved)) == "package_zip"


def test_link_and_encrypted_entry() -> None:
    assert _refusal(_with("link", external_attr=0xA1FF << 16)) == "package_zip"
    flagged = bytearray(PLAIN)
    for magic, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        flagged[PLAIN.find(magic) + offset] |= 1
    assert _refusal(bytes(flagged)) == "package_zip"


def test_wrong_checksum() -> None:
    at = PLAIN.find(b"PK\x03\x04")
    broken = bytearray(PLAIN)
    for begin in (at + 14, PLAIN.find(b"PK\x01\x02") + 16):
        broken[begin] ^= 1
    assert _refusal(bytes(broken)) == "package_zip"


def test_not_a_zip() -> None:
    assert _refusal(b"") == _refusal(b"PK\x03\x04") == "package_zip"


def test_renamed_in_place_is_still_one_file() -> None:
    assert "Doc_0/PublicRex.xml" in read_package(renamed(PLAIN, "PublicRes.xml", "PublicRex.xml"))


@pytest.mark.parametrize(
    ("data", "check"),
    [
        (b"<a><b></a>", "xml_well_formed"),
        (b"", "xml_well_formed"),
        ("<?xml version='1.0' encoding='UTF-16'?><a/>".encode("utf-16"), "xml_well_formed"),
        ("<?xml version='1.0' encoding='GBK'?><a>测</a>".encode("gbk"), "xml_well_formed"),
        (b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", "xml_no_dtd"),
        (b"<!DOCTYPE a SYSTEM 'http://example.invalid/a.dtd'><a/>", "xml_no_dtd"),
    ],
)
def test_xml_that_is_refused(data: bytes, check: str) -> None:
    with pytest.raises(PackageError) as caught:
        parse_xml(data, "a.xml")
    assert caught.value.check == check


def test_locations() -> None:
    base = "Doc_0/Signs/Signatures.xml"
    assert resolve("/OFD.xml", base=base) == "OFD.xml"
    assert resolve("Sign_0/Signature.xml", base=base) == "Doc_0/Signs/Sign_0/Signature.xml"
    assert resolve("../Document.xml", base=base) == "Doc_0/Document.xml"
    for bad in ("", "../../../x", "/../x", "a//b", "a\\b", "file:x"):
        with pytest.raises(PackageError):
            resolve(bad, base=base)


# --- sealing --------------------------------------------------------------------------------

SIGN_0 = "Doc_0/Signs/Sign_0/"


def test_layout_and_references() -> None:
    files = unpack(seal_ofd(PLAIN))
    added = set(files) - set(unpack(PLAIN))
    assert added == {
        "Doc_0/Signs/Signatures.xml",
        *(SIGN_0 + name for name in ("Signature.xml", "SignedValue.dat", "Seal.esl")),
    }
    xml = parse_signature_xml(files[SIGN_0 + "Signature.xml"], SIGN_0 + "Signature.xml")
    own = {SIGN_0 + "Signature.xml", SIGN_0 + "SignedValue.dat", "Doc_0/Signs/Signatures.xml"}
    assert {one.path for one in xml.references} == set(files) - own
    assert all(digest(SM3_OID, files[r.path]) == r.check_value for r in xml.references)
    assert xml.check_method == SM3_OID
    assert (xml.stamps[0].page_ref, xml.stamps[0].boundary) == ("10", (140, 220, 42, 42))
    assert b"<ofd:Signatures>/Doc_0/Signs/Signatures.xml</ofd:Signatures>" in files["OFD.xml"]


def test_signed_value_is_bound_to_its_signature_xml() -> None:
    files = unpack(seal_ofd(PLAIN))
    value = parse_signature(files[SIGN_0 + "SignedValue.dat"])
    assert value.property_info == "/" + SIGN_0 + "Signature.xml"
    assert value.data_hash == digest(SM3_OID, files[SIGN_0 + "Signature.xml"])
    assert value.signed_at == SEALED_AT
    assert value.seal.raw == files[SIGN_0 + "Seal.esl"]


def test_equal_input_gives_equal_bytes_to_sign() -> None:
    seal = world().seal()
    first, second = (
        prepare_ofd(PLAIN, seal=seal, placements=[CORNER], seal_size_mm=SIZE, signed_at=SEALED_AT)
        for _ in range(2)
    )
    assert first == second


def test_unchanged_files_keep_their_compressed_bytes() -> None:
    sealed = read_package(seal_ofd(PLAIN))
    before = read_package(PLAIN)
    kept = [name for name in before if name != "OFD.xml"]
    assert all(sealed.entries[name] == before.entries[name] for name in kept)


def test_second_seal_covers_the_first() -> None:
    files = unpack(seal_ofd(seal_ofd(PLAIN), signed_at=later(5)))
    path = "Doc_0/Signs/Sign_1/Signature.xml"
    covered = {one.path for one in parse_signature_xml(files[path], path).references}
    assert {SIGN_0 + n for n in ("Signature.xml", "SignedValue.dat", "Seal.esl")} <= covered
    assert b"<ofd:MaxSignId>s0002</ofd:MaxSignId>" in files["Doc_0/Signs/Signatures.xml"]


def test_closed_document_takes_no_second_seal() -> None:
    closed = seal_ofd(PLAIN, close=True)
    with pytest.raises(FailedPrecondition) as caught:
        seal_ofd(closed, signed_at=later(5))
    assert caught.value.reason == "OFD_CLOSED"


@pytest.mark.parametrize(
    "position",
    [
        At(page=0, x_mm=1, y_mm=1),
        At(page=2, x_mm=1, y_mm=1),
        At(page=1, x_mm=-1, y_mm=1),
        At(page=1, x_mm=1, y_mm=float("nan")),
        At(page=1, x_mm=169, y_mm=1),
    ],
)
def test_bad_position(position: At) -> None:
    with pytest.raises(InvalidArgument) as caught:
        prepare_ofd(
            PLAIN,
            seal=world().seal(),
            placements=[position],
            seal_size_mm=SIZE,
            signed_at=SEALED_AT,
        )
    assert caught.value.reason == "STAMP_POSITION"


def test_a_list_that_ofd_xml_does_not_name_is_refused() -> None:
    files = unpack(seal_ofd(PLAIN))
    files["OFD.xml"] = unpack(PLAIN)["OFD.xml"]
    with pytest.raises(PackageError):
        seal_ofd(pack(files))


def test_check_value_of_other_writers_may_be_wrapped() -> None:
    files = unpack(seal_ofd(PLAIN))
    path = SIGN_0 + "Signature.xml"
    xml = files[path]
    first = parse_signature_xml(xml, path).references[0].check_value
    encoded = base64.b64encode(first)
    wrapped = xml.replace(encoded, encoded[:20] + b"\r\n " + encoded[20:])
    assert parse_signature_xml(wrapped, path).references[0].check_value == first
