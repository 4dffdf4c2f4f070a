"""What laymen are told of what went wrong.

The services' errors say what to do, to who runs a node or a system: they name commands, addresses
and files. Where one does, people at the pages are told the same in words of theirs; its reason
stands beside, for who helps them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from runtime.errors import DomainError, NotFound, PermissionDenied, ResourceExhausted, Unavailable

#: What an answer without more says, by its status.
STATUSES: Final[Mapping[int, tuple[str, str]]] = {
    400: (
        "The page did not understand what was sent. Go back, open the page again and try anew.",
        "页面无法识别提交的内容，请返回并重新打开页面后再试。",
    ),
    403: (
        "This was not sent by a page of ours. Open the page again and try anew.",
        "该请求不是从本站页面提交的，请重新打开页面后再试。",
    ),
    404: ("There is no such page. Go back to the start.", "没有这个页面，请返回首页。"),
    405: (
        "This page is not asked so. Go back to the start.",
        "该页面不支持这种访问方式，请返回首页。",
    ),
    413: (
        "That is more than this page takes. Choose a smaller file, or less text.",
        "内容超出本页面的上限，请选择较小的文件或减少文字。",
    ),
    500: (
        "Something went wrong here, and was noted. Try again; if it stays so, tell the service.",
        "系统出现问题并已记录，请重试；如仍未解决，请联系服务人员。",
    ),
}
_BUSY: Final = (
    "The service does not answer at this moment. Try again in a minute; nothing was lost.",
    "服务暂时没有响应，请一分钟后重试，数据不会丢失。",
)
_ABSENT: Final = (
    "There is no such thing, or it is not yours to see. Go back and choose again.",
    "没有找到相应内容，或您无权查看，请返回重新选择。",
)
_MANY: Final = (
    "That is too much at once. Wait a minute, and try again.",
    "操作过于频繁或数量过多，请稍后再试。",
)
#: Reasons that are of the node and not of what people did.
_OF_THE_NODE: Final = frozenset(
    {"NODE_UNREACHABLE", "TLS_HANDSHAKE", "SECRET_UNREADABLE", "UNAVAILABLE", "BAD_REVOCATION_LIST"}
)
#: By these a text is told that is for who runs a node or a system.
_OF_OPERATORS: Final = ("tongban ", " --", "127.0.0.1", "localhost", "`")


#: What people call fields by whose programs' names a service's text begins: English, Chinese.
_FIELDS: Final[Mapping[str, tuple[str, str]]] = {
    "holder_code": ("the number of the card", "证件号码"),
    "holder.code": ("the number of the card", "证件号码"),
    "agent_code": ("the agent's number", "受托人证件号码"),
    "agent_name": ("the agent's name", "受托人姓名"),
    "purpose": ("the purpose", "用途"),
    "reason": ("the reason", "原因"),
    "receiver": ("the receiver", "接收单位"),
}


def _named(text: str, language: int) -> str:
    """A text that begins with a field's name, by what people call it."""
    field = next((one for one in _FIELDS if text.startswith((f"{one} ", f"{one}:"))), "")
    if not field:
        return text
    rest = text[len(field) :]
    return _FIELDS[field][language] + (rest.lstrip() if language else rest)


def plain_words(error: DomainError) -> tuple[str, str]:
    """English and Chinese, for people."""
    said = _named(error.message, 0), _named(error.message_zh or error.message, 1)
    if error.reason == "INTERNAL":
        return STATUSES[500]
    if error.reason in _OF_THE_NODE:
        return _BUSY
    if not any(mark in text for mark in _OF_OPERATORS for text in said):
        return said
    if isinstance(error, NotFound | PermissionDenied):
        return _ABSENT
    if isinstance(error, ResourceExhausted):
        return _MANY
    if isinstance(error, Unavailable):
        return _BUSY
    # What remains is about a value that people gave: without its command it still says which.
    return tuple(text.replace("`", "") for text in said)  # type: ignore[return-value]
