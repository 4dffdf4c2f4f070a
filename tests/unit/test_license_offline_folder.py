"""What a verifier keeps: a node's keys for its own codes and lists, nothing older for newer."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from licenses.offline.coding import assess_code, write_code
from licenses.offline.model import Asked, OfflineCode
from licenses.offline.reasons import Reason
from licenses.presenting_keys import PresentingKeys
from licenses.statuslist import model as lists
from licenses.statuslist.model import Status, StatusRef
from licenses.tokens import write_cwt
from runtime.authority import Authority
from runtime.clock import FixedClock
from runtime.errors import InvalidArgument
from tests.builders.licenses import NOW
from tongban.offline_folder import OfflineFolder

ASKED = Asked(verifier="departments/bank", purpose="办事", now=NOW)


class Node:
    """A node with a presenting key, and a list."""

    def __init__(self, folder: Path, name: str) -> None:
        self.issuer = f"departments/{name}"
        self.uri = f"urn:tongban:status:{name}/0"
        self.authority = Authority.create(
            folder / name, name=name, passphrase=b"long enough", now=NOW
        )
        self.keys = PresentingKeys(
            folder / name / "presenting",
            b"long enough",
            lambda key, now: self.authority.certify_signer(
                key, name="presenting", now=now, lifetime=timedelta(days=365)
            ),
            FixedClock(NOW),
        )

    def listed(self, *entries: tuple[int, Status], uri: str = "", minutes: int = 1) -> bytes:
        at = int((NOW + timedelta(minutes=minutes)).timestamp())
        packed = lists.compress(lists.pack(entries))
        claims = {
            lists.SUB: uri or self.uri,
            lists.IAT: at,
            lists.EXP: at + 86_400,
            lists.LIST_TTL: 3600,
            lists.STATUS_LIST: {"bits": 2, "lst": packed},
        }
        return write_cwt(claims, self.keys, kind=lists.CWT_TYPE)

    def code(self, *, issuer: str = "", uri: str = "") -> str:
        made = OfflineCode(
            presentation_id="0f" * 12,
            issuer=issuer or self.issuer,
            audience="",
            purpose="办事",
            purpose_bound=False,
            issued_at=NOW,
            expire_time=NOW + timedelta(hours=1),
            type_code="11990101MB9901024T001",
            type_name="就业创业登记证",
            fields={"CZZT": "赵示例"},
            status=StatusRef(uri=uri or self.uri, index=7),
            holder=None,
        )
        return write_code(made, self.keys)

    def kept_in(self, folder: OfflineFolder, *tokens: bytes, minutes: int = 0) -> list[Path]:
        certificates = [one.certificate for one in self.keys.trusted().values()]
        made_at = NOW + timedelta(minutes=minutes)
        return folder.write(self.issuer, certificates, made_at, self.authority.pem, list(tokens))


@pytest.fixture
def town(tmp_path: Path) -> tuple[Node, Node, OfflineFolder]:
    return Node(tmp_path, "town"), Node(tmp_path, "village"), OfflineFolder(tmp_path / "kept")


def reason(folder: OfflineFolder, text: str) -> Reason | None:
    trusted, kept = folder.read()
    return assess_code(text, trusted, kept, ASKED).reason


def test_a_node_speaks_for_itself_only(town: tuple[Node, Node, OfflineFolder]) -> None:
    one, other, folder = town
    one.kept_in(folder, one.listed((7, Status.INVALID)))
    # The other node signs a list with the first one's address, and everything is good in it.
    other.kept_in(folder, other.listed(uri=one.uri), other.listed())
    assert reason(folder, one.code()) is Reason.LICENSE_NOT_IN_FORCE
    assert reason(folder, other.code()) is None
    # A code in the first one's name, by the other's key; and one that points to the other's list.
    assert reason(folder, other.code(issuer=one.issuer)) is Reason.FOREIGN_KEY
    assert reason(folder, one.code(uri=other.uri)) is Reason.STATUS_LIST_MISSING


def test_an_older_list_takes_no_newer_ones_place(town: tuple[Node, Node, OfflineFolder]) -> None:
    one, _, folder = town
    late = one.listed((7, Status.INVALID), minutes=2)
    assert len(one.kept_in(folder, late, minutes=2)) == 2
    early = one.kept_in(folder, one.listed(minutes=1), minutes=1)
    assert early == []
    assert reason(folder, one.code()) is Reason.LICENSE_NOT_IN_FORCE
    assert len(one.kept_in(folder, one.listed(minutes=3), minutes=3)) == 2
    assert reason(folder, one.code()) is None


def test_an_older_list_that_is_put_back_is_not_good(
    town: tuple[Node, Node, OfflineFolder],
) -> None:
    one, _, folder = town
    (_, path) = one.kept_in(folder, one.listed())
    old = path.read_bytes()
    one.kept_in(folder, one.listed((7, Status.INVALID), minutes=2), minutes=2)
    path.write_bytes(old)
    assert reason(folder, one.code()) is Reason.STATUS_LIST_NOT_GOOD


def test_an_older_trust_list_that_is_put_back_is_not_good(
    town: tuple[Node, Node, OfflineFolder],
) -> None:
    """Also by whoever fetches, after the newer one is gone."""
    one, other, folder = town
    (path, _) = one.kept_in(folder, one.listed())
    other.kept_in(folder, other.listed())
    old = path.read_bytes()
    one.kept_in(folder, one.listed(), minutes=2)
    path.write_bytes(old)
    assert reason(folder, one.code()) is Reason.TRUST_LIST_NOT_GOOD
    assert reason(folder, other.code()) is None
    path.unlink()
    assert path not in one.kept_in(folder, one.listed())
    assert path in one.kept_in(folder, one.listed(), minutes=3)
    assert reason(folder, one.code()) is None


def test_a_list_of_no_issuer_is_malformed(town: tuple[Node, Node, OfflineFolder]) -> None:
    one, _, folder = town
    (path, _) = one.kept_in(folder, one.listed())
    path.write_text(path.read_text().replace(one.issuer, ""))
    with pytest.raises(InvalidArgument) as told:
        folder.read()
    assert told.value.reason == "PRESENTING_TRUST_MALFORMED"
