"""Names of package entries: what escapes, what collides, and what honest makers write."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seal.ofd.names import Names, entry_name
from seal.ofd.package import PackageError


def _taken(*names: str | tuple[bytes, bool]) -> None:
    """All of these in one package; a pair is the octets and whether they are marked as UTF-8."""
    taken = Names()
    for one in names:
        raw, is_utf8 = (one.encode(), True) if isinstance(one, str) else one
        taken.add(entry_name(raw), raw, is_utf8=is_utf8)
    taken.finish()


@pytest.mark.parametrize(
    "names",
    [
        ("OFD.xml", "Doc_0/", "Doc_0/Document.xml", "Doc_0/Res/a.b.png", "Doc_0/Signs/"),
        ("附件：说明（1／2）.txt", "附件①.txt", "附件1.txt", "价格100%.txt", "50%off.txt"),
        ("%E9%99%84%E4%BB%B6.pdf", "%B8%BD.pdf", "%BC%FE.pdf", "a%2Fb.txt"),
        (("Doc_0/附件.txt".encode(), False), ("Doc_0/说明.txt".encode(), False)),
        ("a...b.txt", ".hidden/.x", "x-._.y", "…/省略"),
    ],
)
def test_honest_names(names: tuple[str | tuple[bytes, bool], ...]) -> None:
    _taken(*names)


@pytest.mark.parametrize(
    "name",
    [
        "", "/", "/a", "a//b", "../a", "a/..", "./a", "a/./b", "a\\b", "c:/a", "a\x00", "a\u202eb",
        "a.", "a /b", "a/b..", "%2e%2e/a", "%2E/a", "%252e%252e/a", "a/%2e%2e/b", "．．/a",
        "．．／a", "a＼..＼b", "%EF%BC%8E%EF%BC%8E/a", "%25252525252e/a", "%2Fetc/a", "a%2F%2Fb",
    ],
)  # fmt: skip
def test_what_is_no_plain_path(name: str) -> None:
    with pytest.raises(PackageError) as caught:
        _taken(name)
    assert caught.value.check == "package_paths"


@pytest.mark.parametrize(
    "names",
    [
        ("OFD.xml", "ofd.XML"),
        ("straße", "STRASSE"),
        ("a/b.xml", "a/b%2exml"),
        ("a/b.xml", "a%2Fb.xml"),
        ("a/b.xml", "a/b%252exml"),
        ("é", "e\u0301"),
        ("行", "\ufa08"),
        ("ａ", "A"),
        ("（", "("),
        ("ｶ", "カ"),
        ("a", "a/b"),
        ("A/", "a"),
        ("a%2Fb", "A"),
        (("附件".encode(), False), "附件".encode().decode("gbk")),
        (("é".encode(), False), "é".encode().decode("cp437")),
    ],
)
def test_what_some_reader_takes_for_one(names: tuple[str | tuple[bytes, bool], ...]) -> None:
    for order in (names, names[::-1]):
        with pytest.raises(PackageError) as caught:
            _taken(*order)
        assert caught.value.check == "package_duplicate_names"


@given(st.binary(max_size=40))
def test_any_octets_are_a_name_or_refused(raw: bytes) -> None:
    try:
        name = entry_name(raw)
        Names().add(name, raw, is_utf8=False)
    except PackageError as error:
        assert error.check == "package_paths"
    else:
        assert ".." not in name.split("/")


@pytest.mark.parametrize("part", [b"%25", b"%2", b"a.", "．".encode(), b"a/", "é".encode(), b"_."])
@pytest.mark.timeout(30)  # what would cost the square of its length takes much longer
def test_long_names_cost_little(part: bytes) -> None:
    raw = (part * 65535)[:65000]
    with contextlib.suppress(PackageError):
        Names().add(entry_name(raw), raw, is_utf8=False)
