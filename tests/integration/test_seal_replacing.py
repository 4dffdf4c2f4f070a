"""What a seal in the place of another takes over from it."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw

from runtime.errors import DomainError, InvalidArgument
from seal.ses import parse_seal
from seal.v1 import seal_pb2 as pb
from tests.builders.seal_node import (
    ADMINISTRATOR,
    CREDIT_CODE,
    DEPARTMENT,
    DISPLAY_NAME,
    OFFICE,
    SECOND,
    SealNode,
    create_request,
    start,
)

CODE = "9901010000001"
OVAL: dict[str, Any] = {
    "seal_id": "oval",
    "shape": pb.SEAL_SHAPE_OVAL,
    "bottom_line": "发票专用章",
    "seal_code": CODE,
    "width_mm": 45,
    "height_mm": 32,
    "version": 5,
    "signer_list_type": pb.SIGNER_LIST_TYPE_DIGESTS,
    "authorization": pb.SealAuthorization(
        users=[DEPARTMENT.system], document_kinds=["official-letter"]
    ),
}
TAKEN_OVER = (
    "display_name", "credit_code", "shape", "bottom_line", "seal_code", "width_mm", "height_mm",
    "version", "signer_list_type", "authorization", "image",
)  # fmt: skip


@pytest.fixture
def node(tmp_path: Path) -> Iterator[SealNode]:
    found = start(tmp_path / "data")
    yield found
    found.server.database.close()


def replacement(old: str, **changes: Any) -> pb.CreateSealRequest:
    values = {"seal_id": "new", "display_name": "", "credit_code": "", **changes}
    return create_request(replaces=f"{OFFICE}/seals/{old}", **values)


def ask(node: SealNode, old: str, **changes: Any) -> pb.Seal:
    found = node.call("CreateSeal", replacement(old, **changes), ADMINISTRATOR).seal
    assert isinstance(found, pb.Seal)
    return found


def uploaded() -> bytes:
    picture = Image.new("RGBA", (600, 450))
    ImageDraw.Draw(picture).ellipse((5, 5, 594, 444), outline=(200, 0, 0, 255), width=40)
    out = BytesIO()
    picture.save(out, format="PNG")
    return out.getvalue()


def test_with_nothing_said_it_is_the_same_kind_of_seal(node: SealNode) -> None:
    old = node.make_seal(**OVAL)
    asked = ask(node, "oval")
    for field in TAKEN_OVER[:-2]:
        assert getattr(asked, field) == getattr(old, field), field
    for field in TAKEN_OVER[-2:]:
        held = node.call("GetSeal", pb.GetSealRequest(name=old.name), SECOND).seal
        assert getattr(asked, field) == getattr(held, field), field
    made = node.approve(f"{OFFICE}/seals/new")
    seal = parse_seal(made.seal_data)
    assert (seal.width_mm, seal.height_mm, seal.version) == (45, 32, 5)
    assert seal.cert_digests
    assert not seal.cert_list
    # A repeat is answered the same, though the old seal is gone.
    request = replacement("new", seal_id="third")
    first = node.call("CreateSeal", request, ADMINISTRATOR)
    node.act("Revoke", f"{OFFICE}/seals/new")
    assert node.call("CreateSeal", request, ADMINISTRATOR) == first


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"bottom_line": "财务专用章"}, {"bottom_line": "财务专用章", "seal_code": CODE}),
        # An outline that is said is a new image: its lines and its size are those that are said.
        (
            {"shape": pb.SEAL_SHAPE_CIRCULAR},
            {"bottom_line": "", "seal_code": "", "width_mm": 42, "height_mm": 42, "version": 5},
        ),
        ({"width_mm": 40, "height_mm": 30}, {"width_mm": 40, "bottom_line": "发票专用章"}),
        ({"version": 4}, {"version": 4, "shape": pb.SEAL_SHAPE_OVAL}),
        (
            {"signer_list_type": pb.SIGNER_LIST_TYPE_CERTIFICATES},
            {"signer_list_type": pb.SIGNER_LIST_TYPE_CERTIFICATES, "version": 5},
        ),
        ({"display_name": "示范县政务服务局"}, {"display_name": "示范县政务服务局", "version": 5}),
        ({"authorization": pb.SealAuthorization()}, {"authorization": pb.SealAuthorization()}),
        (
            {"image": uploaded(), "width_mm": 40, "height_mm": 30},
            {"shape": pb.SEAL_SHAPE_UNSPECIFIED, "bottom_line": "", "seal_code": "", "version": 5},
        ),
    ],
)  # fmt: skip
def test_what_is_said_takes_the_place_of_the_old_ones(
    node: SealNode, changes: dict[str, Any], expected: dict[str, Any]
) -> None:
    node.make_seal(**OVAL)
    asked = ask(node, "oval", **changes)
    assert {field: getattr(asked, field) for field in expected} == expected
    assert asked.credit_code == CREDIT_CODE


def test_an_uploaded_image_is_taken_over_too(node: SealNode) -> None:
    old = node.make_seal(seal_id="old", image=uploaded(), width_mm=40, height_mm=30)
    asked = ask(node, "old")
    assert (asked.image, asked.width_mm, asked.shape) == (old.image, 40, pb.SEAL_SHAPE_UNSPECIFIED)
    assert node.approve(asked.name).image == old.image


@pytest.mark.parametrize(
    "changes", [{"bottom_line": "财务专用章"}, {"display_name": "示范县政务服务局"}]
)
def test_an_uploaded_image_cannot_be_changed_by_words(
    node: SealNode, changes: dict[str, Any]
) -> None:
    node.make_seal(seal_id="old", image=uploaded(), width_mm=40, height_mm=30)
    with pytest.raises(InvalidArgument) as caught:
        ask(node, "old", **changes)
    assert caught.value.reason == "BAD_SEAL_REQUEST"
    assert "--shape" in caught.value.message
    assert "--image" in caught.value.message_zh
    drawn = ask(node, "old", shape=pb.SEAL_SHAPE_CIRCULAR, **changes)
    assert drawn.shape == pb.SEAL_SHAPE_CIRCULAR


def test_an_image_goes_without_an_outline(node: SealNode) -> None:
    wish = create_request(image=uploaded(), width_mm=40, height_mm=30, shape=pb.SEAL_SHAPE_SQUARE)
    with pytest.raises(InvalidArgument) as caught:
        node.call("CreateSeal", wish, ADMINISTRATOR)
    assert caught.value.reason == "BAD_SEAL_REQUEST"
    assert [one.field for one in caught.value.violations] == ["shape"]
    assert "--shape" in caught.value.message


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"shape": pb.SEAL_SHAPE_SQUARE, "display_name": "局" * 17}, "--name"),
        ({"bottom_line": "长" * 13}, "--bottom-line"),
        ({"seal_code": "1" * 19}, "--code"),
    ],
)
def test_a_text_that_does_not_fit_is_named(
    node: SealNode, changes: dict[str, Any], named: str
) -> None:
    with pytest.raises(DomainError) as caught:
        node.call("CreateSeal", create_request(**changes), ADMINISTRATOR)
    assert caught.value.reason == "BAD_SEAL_TEXT"
    assert named in caught.value.message
    assert named in caught.value.message_zh
    assert DISPLAY_NAME not in caught.value.message


def test_a_license_type_may_be_spelled_as_in_its_own_name(node: SealNode) -> None:
    allowed = pb.SealAuthorization(license_types=["licenseTypes/x", "license-types/x"])
    made = node.make_seal(authorization=allowed)
    held = node.call("GetSeal", pb.GetSealRequest(name=made.name), SECOND).seal
    assert list(held.authorization.license_types) == ["license-types/x"]
