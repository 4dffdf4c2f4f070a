"""The wish for a seal on the wire; of one that takes another's place, what it takes over from it.

1. What a request with `replaces` leaves out is as the old seal's: name, credit code, image (its
   outline, lines, code, size, or the uploaded picture), version, list of signers, authorization.
2. With an outline or a picture of its own the image is a new one, and nothing of the old one's goes
   into it; a width or a height that is given stands for both.
3. An uploaded picture has its words in it: other words need another image.
"""

from __future__ import annotations

from typing import Final

from runtime import names
from runtime.errors import FieldViolation, InvalidArgument
from seal.registry import HeldSeal, SealOrder, Shape
from seal.v1 import seal_pb2 as pb
from seal.wire import (
    LISTS,
    LISTS_SHOWN,
    SHAPES,
    SHAPES_SHOWN,
    from_authorization,
    from_time,
    to_authorization,
)

_WORDS: Final = ("display_name", "bottom_line", "seal_code")


def check_names(request: pb.CreateSealRequest) -> None:
    """Raises InvalidArgument: MALFORMED_NAME, MALFORMED_ID."""
    names.parse(names.DEPARTMENT, request.parent, field="parent")
    names.check_id(request.seal_id, field="seal_id")
    if request.replaces:
        names.parse(names.SEAL, request.replaces, field="replaces")


def seal_order(request: pb.CreateSealRequest, old: HeldSeal | None = None) -> SealOrder:
    """The wish, `old` being the seal that `replaces` names.

    Raises InvalidArgument: BAD_SEAL_REQUEST, BAD_END_TIME, BAD_AUTHORIZATION.
    """
    if request.shape not in SHAPES:
        raise _unknown("shape")
    if request.signer_list_type not in LISTS:
        raise _unknown("signer_list_type")
    if request.image and request.shape != pb.SEAL_SHAPE_UNSPECIFIED:
        raise InvalidArgument(
            "an image has an outline of its own: leave out shape (--shape) beside image (--image)",
            reason="BAD_SEAL_REQUEST",
            message_zh="上传的图片自带外形：使用 image（--image）时请不要填写 shape（--shape）",
            violations=[FieldViolation("shape", "not beside an image")],
        )
    if old is not None:
        request = _with_the_old(request, old)
    end = None
    if request.HasField("end_time"):
        end = from_time(request.end_time, field="end_time", reason="BAD_END_TIME")
    return SealOrder(
        department=request.parent,
        seal_id=request.seal_id,
        display_name=request.display_name,
        credit_code=request.credit_code,
        bottom_line=request.bottom_line,
        seal_code=request.seal_code,
        shape=Shape.UPLOADED if request.image else SHAPES[request.shape],
        image=request.image,
        width_mm=request.width_mm,
        height_mm=request.height_mm,
        version=request.version or 4,
        signer_list=LISTS[request.signer_list_type],
        authorization=from_authorization(request.authorization),
        end_time=end,
        replaces=request.replaces,
    )


def _with_the_old(request: pb.CreateSealRequest, old: HeldSeal) -> pb.CreateSealRequest:
    found = pb.CreateSealRequest()
    found.CopyFrom(request)
    if not (found.image or found.shape):
        _take_image(found, old)
    found.display_name = found.display_name or old.display_name
    found.credit_code = found.credit_code or old.credit_code
    found.version = found.version or old.version
    found.signer_list_type = found.signer_list_type or LISTS_SHOWN[old.signer_list]
    if not found.HasField("authorization"):
        found.authorization.CopyFrom(to_authorization(old.authorization))
    return found


def _take_image(found: pb.CreateSealRequest, old: HeldSeal) -> None:
    """Rules 1 to 3."""
    if old.shape is Shape.UPLOADED:
        said = [one for one in _WORDS if getattr(found, one) not in ("", getattr(old, one))]
        if said:
            raise _words_in_picture(said)
        found.image = old.image
    else:
        found.shape = SHAPES_SHOWN[old.shape]
        found.bottom_line = found.bottom_line or old.bottom_line
        found.seal_code = found.seal_code or old.seal_code
    if not (found.width_mm or found.height_mm):
        found.width_mm, found.height_mm = old.width_mm, old.height_mm


def _words_in_picture(said: list[str]) -> InvalidArgument:
    fields = ", ".join(said)
    return InvalidArgument(
        f"the image of the seal that is replaced was uploaded, with its words in it, so {fields} "
        "cannot change them: give another picture (image, --image), or an outline to draw one "
        "(shape, --shape)",
        reason="BAD_SEAL_REQUEST",
        message_zh=f"被替换印章的印模是上传的图片，文字已在图中，无法按 {fields} 更改："
        "请另传图片（image，--image），或指定外形重新绘制（shape，--shape）",
        violations=[FieldViolation(one, "in the picture already") for one in said],
    )


def _unknown(field: str) -> InvalidArgument:
    return InvalidArgument(
        f"this {field} is not known: leave it out, or take one of the proto's",
        reason="BAD_SEAL_REQUEST",
        message_zh=f"未知的 {field}：可不填，或使用协议中的取值",
        violations=[FieldViolation(field, "unknown")],
    )
