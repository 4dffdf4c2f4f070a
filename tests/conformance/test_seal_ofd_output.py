"""Every kind of sealed OFD we make: in the standard's form, sound, readable by other software."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path

import ofdkit
import pytest

from runtime.errors import FailedPrecondition, InvalidArgument
from seal.model import Check, Indication, Verdict
from seal.ofd.signing import finish_ofd, prepare_ofd
from seal.placement import AcrossEdges, At, EveryPage, Keyword
from seal.verify import assess
from tests.builders.ofd import (
    CORNER,
    NOW,
    SEALED_AT,
    SIZE,
    TEXT,
    later,
    ofd_of,
    pack,
    plain_ofd,
    seal_ofd,
    text_object,
    unpack,
    world,
)
from tests.builders.ofd_schema import departures

DATA = Path(__file__).parent / "data" / "ofd"
FOREIGN = [
    "DigitalSign.ofd",
    "SESV4SignDoc.ofd",
    "anchor-signed-v4.ofd",
    "hello-integrity.ofd",
]


def _edited(**changes: Callable[[str], str]) -> bytes:
    """A plain package with files rewritten: OFD, Document or Content."""
    files = unpack(plain_ofd(2))
    for word, change in changes.items():
        for name in [one for one in files if one.endswith(f"{word}.xml")]:
            files[name] = change(files[name].decode()).encode()
    return pack(files)


def _bare(xml: str) -> str:
    return xml.replace("ofd:", "").replace("xmlns:ofd=", "xmlns=")


def _other_prefix(xml: str) -> str:
    return xml.replace("ofd:", "o:").replace("xmlns:ofd=", "xmlns:o=")


def _moved(folder: str) -> bytes:
    """The document in another folder than Doc_0."""
    files = unpack(plain_ofd(2))
    text = folder.replace("&", "&amp;")
    return pack(
        {
            name.replace("Doc_0", folder): data.replace(b"Doc_0/", f"{text}/".encode())
            for name, data in files.items()
        }
    )


def _two_documents() -> bytes:
    files = unpack(plain_ofd(2))
    second = {
        name.replace("Doc_0", "Doc_1"): data for name, data in files.items() if "Doc_0" in name
    }
    body = files["OFD.xml"].decode()
    begin, end = body.index("<ofd:DocBody>"), body.index("</ofd:OFD>")
    files["OFD.xml"] = (
        body[:end] + body[begin:end].replace("Doc_0", "Doc_1") + body[end:]
    ).encode()
    return pack({**files, **second})


def _with_list(lines: str) -> bytes:
    """A list that is named and has these lines, of no signature."""
    files = unpack(plain_ofd(2))
    files["OFD.xml"] = files["OFD.xml"].replace(
        b"</ofd:DocRoot>", b"</ofd:DocRoot><ofd:Signatures>Doc_0/S.xml</ofd:Signatures>"
    )
    files["Doc_0/S.xml"] = (
        f'<Signatures xmlns="http://www.ofdspec.org/2016">{lines}</Signatures>'.encode()
    )
    return pack(files)


PACKAGES = {
    "ours": plain_ofd(2),
    "no prefix": _edited(OFD=_bare, Document=_bare, Content=_bare),
    "other prefix": _edited(OFD=_other_prefix, Document=_other_prefix, Content=_other_prefix),
    "absolute root": _edited(OFD=lambda x: x.replace(">Doc_0/", ">/Doc_0/")),
    "empty Signatures": _edited(
        OFD=lambda x: x.replace("</ofd:DocBody>", "<ofd:Signatures/></ofd:DocBody>")
    ),
    "folder with an ampersand": _moved("A&B"),
    "folder in Chinese": _moved("文件"),
    "two documents": _two_documents(),
    "empty list": _with_list(""),
    "list with a number": _with_list("<MaxSignId>7</MaxSignId>"),
}
PACKAGES["document at the root"] = pack(
    {
        name.removeprefix("Doc_0/"): data.replace(b"Doc_0/", b"")
        for name, data in unpack(plain_ofd(2)).items()
    }
)


def _verdict(package: bytes) -> Verdict:
    return assess(package, store=world().store(), now=NOW)


@pytest.mark.parametrize("kind", PACKAGES)
def test_packages_of_any_shape(kind: str, tmp_path: Path) -> None:
    once = seal_ofd(PACKAGES[kind], placements=[EveryPage(x_mm=1, y_mm=1)])
    twice = seal_ofd(once, placements=[AcrossEdges(y_mm=100)], signed_at=later(5))
    for package in (once, twice):
        assert departures(package) == []
        assert _verdict(package).indication is Indication.PASSED
    assert len(_verdict(twice).signatures) == 2
    path = tmp_path / "sealed.ofd"
    path.write_bytes(twice)
    assert ofdkit.extract_text(path).count(TEXT) >= 2


@pytest.mark.parametrize("name", FOREIGN)
def test_documents_of_other_software(name: str, tmp_path: Path) -> None:
    document = (DATA / name).read_bytes()
    before = assess(document, store=world().store(), now=NOW)
    sealed = seal_ofd(document, placements=[At(page=1, x_mm=10, y_mm=10)], signed_at=later(60))
    verdict = _verdict(sealed)
    ours = max(verdict.signatures, key=lambda one: one.id)
    assert ours.indication is Indication.PASSED
    # The earlier signatures stand as they stood.
    assert len(verdict.signatures) == len(before.signatures) + 1
    for report in before.signatures:
        (same,) = (one for one in verdict.signatures if one.id == report.id)
        assert same.indication is report.indication
    files, added = unpack(document), unpack(sealed)
    # The integrity list is made anew, with its signature.
    changed = ("OFD.xml", "OFDEntries.xml", "/signedvalue.dat", "Signatures.xml", "/")
    assert all(
        added[name] == data for name, data in files.items() if not f"/{name}".endswith(changed)
    )
    path = tmp_path / "sealed.ofd"
    path.write_bytes(sealed)
    assert ofdkit.extract_text(path).strip()


@pytest.mark.parametrize("name", FOREIGN)
def test_our_signature_beside_others_has_the_standards_form(name: str) -> None:
    sealed = seal_ofd((DATA / name).read_bytes(), placements=[At(page=1, x_mm=1, y_mm=1)])
    # Identifiers such as `1` are no xs:ID; what others wrote stays.
    wrong = [one for one in departures(sealed) if "Sign_" in one or "OFD.xml" in one]
    assert wrong == []


def test_document_that_other_software_closed_takes_no_seal() -> None:
    with pytest.raises(FailedPrecondition) as caught:
        seal_ofd((DATA / "allprotected.ofd").read_bytes())
    assert caught.value.reason == "OFD_CLOSED"


def test_keyword_in_a_document_of_other_software() -> None:
    document = (DATA / "hello-integrity.ofd").read_bytes()
    prepared = prepare_ofd(
        document,
        seal=world().seal(),
        placements=[Keyword(text="拿来主义", size_mm=10)],
        seal_size_mm=SIZE,
        signed_at=SEALED_AT,
    )
    # The title's four glyphs of 10 mm begin at 85 mm; its base line is at 35.4 mm.
    (entry,) = (one for one in prepared.entries if one.name.endswith("Sign_0/Signature.xml"))
    assert b'Boundary="100 26.6 10 10"' in zlib.decompress(entry.packed, wbits=-15)
    # As often as other software reads it.
    read = ofdkit.extract_text(DATA / "hello-integrity.ofd")
    assert prepared.stamp_count == read.count("拿来主义") == 4


@pytest.mark.parametrize("close", [False, True])
@pytest.mark.parametrize("entries", [False, True])
@pytest.mark.parametrize("version", [4, 5])
def test_every_way_of_sealing(close: bool, entries: bool, version: int) -> None:
    package = seal_ofd(
        plain_ofd(3),
        seal=world().seal(version=version),
        placements=[CORNER, EveryPage(x_mm=2, y_mm=2, size_mm=20), AcrossEdges(y_mm=90)],
        close=close,
        integrity_entries=entries,
    )
    assert departures(package) == []
    verdict = _verdict(package)
    assert verdict.indication is Indication.PASSED
    assert verdict.signatures[0].format == f"SES_V{version}"
    assert ("OFDEntries.xml" in unpack(package)) is entries
    if close:
        with pytest.raises(FailedPrecondition) as caught:
            seal_ofd(package, signed_at=later(5))
        assert caught.value.reason == "OFD_CLOSED"
    else:
        again = seal_ofd(package, signed_at=later(5))
        assert departures(again) == []
        assert _verdict(again).indication is Indication.PASSED


def test_many_seals_one_after_another() -> None:
    package = plain_ofd()
    for number in range(12):
        package = seal_ofd(package, signed_at=later(number))
    assert departures(package) == []
    assert len(_verdict(package).signatures) == 12
    assert _verdict(package).indication is Indication.PASSED


# --- the integrity list ---------------------------------------------------------------------


def _failed(package: bytes) -> set[str]:
    return {
        check.name
        for check in _verdict(package).all_checks()
        if check.indication is Indication.FAILED
    }


def test_integrity_list_names_every_file_and_is_made_anew() -> None:
    sealed = unpack(seal_ofd((DATA / "hello-integrity.ofd").read_bytes(), integrity_entries=True))
    assert "signedvalue.dat" not in sealed
    listed = sealed["OFDEntries.xml"].decode()
    for name in sealed:
        own = name in ("OFDEntries.xml", "OFDEntriesValue.dat")
        assert (f'FileLoc="/{name}"' in listed) is not own


def _entries_check(package: bytes) -> Check:
    verdict = _verdict(package)
    assert verdict.indication is not Indication.FAILED, verdict.summary
    (found,) = (one for one in verdict.checks if one.name == "integrity_entries")
    return found


def test_integrity_list_that_no_seal_covers_is_made_anew_without_asking() -> None:
    sealed = seal_ofd((DATA / "hello-integrity.ofd").read_bytes())
    listed = unpack(sealed)["OFDEntries.xml"].decode()
    assert "Signs/Sign_0/Seal.esl" in listed
    found = _entries_check(sealed)
    assert (found.indication, found.notice) == (Indication.PASSED, False)


def test_integrity_list_under_a_seal_is_said_to_lack_later_signatures() -> None:
    first = seal_ofd(plain_ofd(), integrity_entries=True)
    assert not _entries_check(first).notice
    second = seal_ofd(first, signed_at=later(5))
    assert unpack(second)["OFDEntries.xml"] == unpack(first)["OFDEntries.xml"]
    found = _entries_check(second)
    assert (found.indication, found.notice) == (Indication.PASSED, True)
    assert "complete but for later signatures: /Doc_0/Signs/Sign_1/" in found.detail
    assert "/Doc_0/Signs/Sign_1/Seal.esl" in found.detail_zh
    assert "Sign_0" not in found.detail


def test_integrity_list_that_is_signed_stays() -> None:
    sealed = seal_ofd(plain_ofd(), integrity_entries=True)
    with pytest.raises(FailedPrecondition) as caught:
        seal_ofd(sealed, integrity_entries=True, signed_at=later(5))
    assert caught.value.reason == "INTEGRITY_LIST_SIGNED"


def test_integrity_list_does_not_come_after_a_signature() -> None:
    sealed = seal_ofd(plain_ofd())
    with pytest.raises(FailedPrecondition) as caught:
        seal_ofd(sealed, integrity_entries=True, signed_at=later(5))
    assert caught.value.reason == "INTEGRITY_ENTRIES_TOO_LATE"
    assert "--entries" in caught.value.message_zh
    again = seal_ofd(sealed, signed_at=later(5))
    assert _failed(again) == set()


def test_only_the_signers_own_value_may_stand_beside_the_list() -> None:
    files = unpack(seal_ofd(plain_ofd(), integrity_entries=True))
    here = world()
    list_digest = prepare_ofd(
        plain_ofd(),
        seal=here.seal(),
        placements=[CORNER],
        seal_size_mm=SIZE,
        signed_at=SEALED_AT,
        integrity_entries=True,
    ).integrity_tbs
    assert list_digest is not None
    from seal.ofd.entries import entries_value

    def swapped(value: bytes) -> set[str]:
        return _failed(pack({**files, "OFDEntriesValue.dat": value}))

    good = files["OFDEntriesValue.dat"]
    again = entries_value(
        list_digest, certificate=here.certificate, signature=here.signer.sign(list_digest)
    )
    assert again != good
    assert swapped(again) == set()
    strangers = entries_value(
        list_digest,
        certificate=here.stranger_certificate,
        signature=here.stranger.sign(list_digest),
    )
    assert swapped(strangers) == {"uncovered_files"}
    assert "uncovered_files" in swapped(good + b"\x00")
    assert "uncovered_files" in swapped(b"<html/>")


def test_integrity_signature_goes_with_what_it_signs() -> None:
    here = world()
    prepared = prepare_ofd(
        plain_ofd(),
        seal=here.seal(),
        placements=[CORNER],
        seal_size_mm=SIZE,
        signed_at=SEALED_AT,
        integrity_entries=True,
    )
    with pytest.raises(TypeError):
        finish_ofd(prepared, signature=b"s", certificate=here.certificate)


def test_keyword_that_is_nowhere() -> None:
    with pytest.raises(InvalidArgument) as caught:
        seal_ofd(ofd_of(text_object("盖章")), placements=[Keyword(text="签字")])
    assert caught.value.reason == "KEYWORD_NOT_FOUND"
