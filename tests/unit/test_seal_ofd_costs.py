"""What one package may cost: digests, and comparisons of signatures with files."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from seal import suites, verify
from seal.model import Indication
from seal.ofd import digests
from seal.ofd.digests import Digests
from seal.ofd.package import OfdPackage, PackageError, read_package
from seal.verify import assess
from tests.builders.makers import Habit, made
from tests.builders.ofd import NOW, plain_ofd, seal_ofd, world

NAME = "OFD.xml"


class _Counted(OfdPackage):
    """A package that counts how often its files are read."""

    reads = 0

    def pieces(self, name: str) -> Iterator[bytes]:
        self.reads += 1
        return super().pieces(name)


def _counted() -> _Counted:
    return _Counted(read_package(plain_ofd()).entries)


def test_a_file_is_digested_once_by_each_method() -> None:
    package = _counted()
    known = Digests(package)
    for by in (suites.SM3_OID, suites.SHA512_OID) * 3:
        assert known.of(NAME, by) == suites.digest(by, package.read(NAME))
    assert package.reads == 2


def test_what_was_read_for_something_else_is_known() -> None:
    package = _counted()
    known, pieces = Digests(package), [b"a", b"b", b"c"]
    with known.taking(NAME, pieces) as taken:
        assert next(taken) == b"a"
    assert known.of(NAME, suites.SM3_OID) == suites.digest("sm3", b"abc")
    assert package.reads == 0


def test_other_methods_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    package = _counted()
    monkeypatch.setattr(digests, "MOST_OCTETS", package.size(NAME) + 1)
    known = Digests(package)
    for _ in range(2):
        known.of(NAME, suites.SHA256_OID)
    with pytest.raises(PackageError) as caught:
        known.of(NAME, suites.SHA384_OID)
    assert caught.value.check == "package_limits"
    for name in package:
        known.of(name, suites.SM3_OID)


def test_too_many_octets_for_other_methods_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digests, "MOST_OCTETS", 100)
    data = made(Habit(check_method="SHA-256", digest=suites.SHA256_OID))
    verdict = assess(data, store=world().store(), now=NOW)
    bad = [one for one in verdict.all_checks() if one.indication is not Indication.PASSED]
    assert [(one.name, one.reason) for one in bad] == [("references", "TOO_LARGE_TO_JUDGE")]
    assert verdict.indication is Indication.INDETERMINATE


def test_a_crowd_of_signatures_over_a_crowd_of_files(monkeypatch: pytest.MonkeyPatch) -> None:
    data = seal_ofd(seal_ofd(plain_ofd()))
    files = len(read_package(data).entries)
    for most, expected in ((2 * files, Indication.PASSED), (2 * files - 1, "")):
        monkeypatch.setattr(verify, "_MOST_COMPARED", most)
        verdict = assess(data, store=world().store(), now=NOW)
        if expected:
            assert verdict.indication is expected
        else:
            assert (verdict.indication, verdict.reason) == (
                Indication.INDETERMINATE,
                "TOO_LARGE_TO_JUDGE",
            )
