"""What laymen are told of what went wrong.

The services' errors say what to do, to who runs a node or a system: they name commands, addresses
and files. Where one does, people at the pages are told the same in words of theirs; its reason
stands beside, for who helps them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from runtime.errors import (
    DataLoss,
    DomainError,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    ResourceExhausted,
    Unauthenticated,
    Unavailable,
)

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
_AGAIN: Final = (
    "Something that was filled in cannot be taken. Go back, check it and try anew.",
    "填写的内容无法受理，请返回检查后重试。",
)
_BROKEN: Final = (
    "This cannot be done until those who run the service have seen to it. Tell them the code.",
    "须由运维人员处理后才能办理，请将代码告知服务人员。",
)
#: What a refusal says whose own text says nothing to laymen, by its class.
_BY_CLASS: Final[Mapping[type[DomainError], tuple[str, str]]] = {
    NotFound: _ABSENT,
    PermissionDenied: _ABSENT,
    ResourceExhausted: _MANY,
    Unavailable: _BUSY,
    DataLoss: _BROKEN,
    InvalidArgument: _AGAIN,
    Unauthenticated: (
        "You are not signed in any more. Sign in and try anew.",
        "登录已失效，请重新登录后再试。",
    ),
}
#: Reasons of what nobody meant to happen.
_FAILED: Final = frozenset({"CANCELLED", "INTERNAL", "UNIMPLEMENTED", "UNKNOWN"})
#: Reasons that are of the node and not of what people did.
_OF_THE_NODE: Final = frozenset(
    {"NODE_UNREACHABLE", "TLS_HANDSHAKE_FAILED", "DEADLINE_EXCEEDED", "UNAVAILABLE"}
)
#: Beginnings of reasons that only who runs the node can see to.
_TO_MEND: Final = (
    "CRYPTO_LIBRARY_",
    "FONT_",
    "HSM_",
    "KEY_FILE_",
    "LOG_REWRITTEN",
    "MAKER_KEY_",
    "MALFORMED_KEY_",
    "NO_SM2_LIBRARY",
    "POSTGIS_",
    "SECRET_UNREADABLE",
    "STATUS_LIST_NOT_PUBLISHED",
    "STORAGE_FULL",
    "TILE_DAMAGED",
    "TIMESTAMP_FILE_UNREADABLE",
    "TIMESTAMP_NOT_CONFIGURED",
    "TIMESTAMP_URL",
    "UNKNOWN_KEY_SCHEME",
    "WRONG_PASSPHRASE",
)
#: Reasons whose texts tell programs what to send: people are told what to do at a page.
_OF_PROGRAMS: Final[Mapping[str, tuple[str, str]]] = {
    "REQUEST_ID_REUSED": (
        "This form was sent before, with other content. Open the page again, see whether it is "
        "done already, and else fill it in anew.",
        "该表单已提交过，且内容与此次不同。请重新打开页面，查看是否已办理，未办理的请重新填写。",
    ),
    "ETAG_MISMATCH": (
        "This was changed meanwhile. Open the page again, see how it stands now, and decide anew.",
        "内容已有变化，请重新打开页面，查看现在的内容后再操作。",
    ),
    "BAD_PAGE_TOKEN": (
        "This page of the list is not there any more. Begin again at its first page.",
        "列表的这一页已失效，请从第一页重新查看。",
    ),
    "BAD_ORDER": (
        "The list is not put in this order. Open it anew from its page.",
        "列表不能按此排序，请从页面重新打开。",
    ),
    "MESSAGE_TOO_LARGE": STATUSES[413],
}
#: By these a text is told that is for who runs a node or a system.
_OF_OPERATORS: Final = ("tongban ", " --", "127.0.0.1", "localhost", "`")
# What only programs read, in brackets behind what people read; and a program's name of something
# before what people call it, in brackets.
_ASIDE: Final = re.compile(r"[ ]?[（(](?:tongban |--|[a-z]+_)[^（）()\u4e00-\u9fff]*[）)]")
_CALLED: Final = re.compile(r"[ ]?[a-z]+(?:_[a-z]+)*（([\u4e00-\u9fff]+)）")
_POINTS: Final = re.compile("所列(?:字段|各行)|字段说明")
_PLACE: Final = re.compile(r"[\[.]")
_IDEOGRAPH: Final = re.compile("[\u4e00-\u9fff]")

#: What people call fields that the services' texts call by programs' names: English, Chinese.
_FIELDS: Final[Mapping[str, tuple[str, str]]] = {
    "agent_code": ("the agent's number", "受托人证件号码"),
    "agent_name": ("the agent's name", "受托人姓名"),
    "answer_basis": ("the legal basis", "依据"),
    "answer_legal_basis": ("the legal basis", "依据"),
    "as_of": ("the time asked for", "所查时间"),
    "bottom_line": ("the bottom line", "下方文字"),
    "case_number": ("the case's number", "办件编号"),
    "display_name": ("the name", "名称"),
    "end_date": ("the last day", "截止日期"),
    "end_time": ("the last day", "截止日期"),
    "ends_within_days": ("the days to the end", "距到期天数"),
    "file_name": ("the file's name", "文件名"),
    "first_day": ("the first day", "起始日期"),
    "from_version": ("the earlier version", "前一版本"),
    "geometry_item": ("the item of places", "空间信息项"),
    "holder.code": ("the number of the card", "证件号码"),
    "holder_code": ("the number of the card", "证件号码"),
    "holder_name": ("the holder's name", "持证主体名称"),
    "issued_by": ("the issuing department", "颁发机构"),
    "last_day": ("the last day", "截止日期"),
    "legal_basis": ("the legal basis", "依据"),
    "lifetime_seconds": ("how long it holds", "有效秒数"),
    "max_uses": ("how often it may be shown", "可用次数"),
    "media_type": ("the kind of the file", "文件类型"),
    "order_by": ("the order", "排序"),
    "page_size": ("the length of a page", "每页条数"),
    "property_info": ("what it is about", "文件来源说明"),
    "public_key": ("the key", "公钥"),
    "read_time": ("the time asked for", "所查时间"),
    "request_id": ("the request's mark", "请求标识"),
    "seal_code": ("the seal's number", "印章编码"),
    "seal_id": ("the seal's identifier", "印章标识"),
    "service_item": ("the service item", "服务事项"),
    "to_version": ("the later version", "后一版本"),
    "update_mask": ("what is changed", "要更改的内容"),
    "valid_to": ("the last day", "截止日期"),
    # Words of English, too: names only where a text begins with them, or stands in Chinese.
    "about": ("what it is about", "文件来源说明"),
    "answer": ("the answer", "答复"),
    "attachments": ("the files", "附件"),
    "basis": ("the legal basis", "依据"),
    "content": ("the file", "附件内容"),
    "description": ("the description", "说明"),
    "fault": ("what is wrong", "问题类别"),
    "items": ("the items", "信息项"),
    "note": ("the note", "说明"),
    "recipient": ("the department asked", "收函部门"),
    "resource": ("the resource", "信息资源"),
    "statement": ("what is said", "情况说明"),
    "supplier": ("the supplying department", "数源部门"),
    "text": ("the text", "正文"),
    "title": ("the title", "标题"),
    "code": ("the code", "编码"),
    "consumer": ("the using department", "使用部门"),
    "cursor": ("the place", "位置"),
    "digest": ("the digest", "摘要"),
    "etag": ("the version", "版本标记"),
    "format": ("the format", "格式"),
    "index": ("the record's number", "记录序号"),
    "issuers": ("the other issuing departments", "其他颁发机构"),
    "key": ("the key", "主键"),
    "kind": ("the kind", "类型"),
    "leaf": ("the record", "记录原文"),
    "materials": ("the materials", "申请材料"),
    "names": ("the names", "名称"),
    "parent": ("the department", "所属部门"),
    "purpose": ("the purpose", "用途"),
    "query": ("what to search for", "查找的词"),
    "reason": ("the reason", "原因"),
    "receiver": ("the receiver", "接收单位"),
    "refused": ("what is refused", "拒绝的授权"),
    "replaces": ("the seal that is replaced", "被替换的印章"),
    "seal": ("the seal", "印章"),
    "shape": ("the shape", "外形"),
    "signature": ("the signature", "签名"),
    "start": ("the first number", "起始序号"),
    "state": ("the state", "状态"),
    "version": ("the version", "版本"),
}
_ANY: Final = "|".join(re.escape(one) for one in sorted(_FIELDS, key=len, reverse=True))
_IN_ENGLISH: Final = re.compile(rf"^(?:{_ANY})(?=:| (?!of\b))|(?<![\w.-])[a-z]+_[a-z_]+(?![\w.-])")
_IN_CHINESE: Final = re.compile(rf"(?<![\w./-])[ ]?({_ANY})(?![\w./-])[ ]?", re.ASCII)


def _named(error: DomainError) -> tuple[str, str]:
    """The texts of an error without what only programs read."""
    english, chinese = _ASIDE.sub("", error.message), _ASIDE.sub("", error.message_zh)
    return (
        _IN_ENGLISH.sub(lambda found: _FIELDS.get(found[0], (found[0],))[0], english),
        _IN_CHINESE.sub(lambda found: _FIELDS[found[1]][1], _CALLED.sub(r"\1", chinese)),
    )


def _fields_of(error: DomainError) -> tuple[str, str] | None:
    """Of a text that points at the fields beside it: which they are, where people have a word."""
    if not _POINTS.search(error.message_zh):
        return None
    found = [_FIELDS.get(_PLACE.split(one.field)[0]) for one in error.violations]
    named = [one for one in dict.fromkeys(found) if one is not None]
    if not named or None in found:
        return _AGAIN
    return (
        f"Nothing was changed. Please correct: {', '.join(one[0] for one in named)}.",
        f"未作任何更改，请更正：{'、'.join(one[1] for one in named)}。",
    )


def plain_words(error: DomainError) -> tuple[str, str]:
    """English and Chinese, for people."""
    if error.reason in _FAILED:
        return STATUSES[500]
    if error.reason in _OF_THE_NODE:
        return _BUSY
    if error.reason.startswith(_TO_MEND):
        return _BROKEN
    if error.reason in _OF_PROGRAMS:
        return _OF_PROGRAMS[error.reason]
    said = _fields_of(error) or _named(error)
    by_class = next((_BY_CLASS[one] for one in type(error).__mro__ if one in _BY_CLASS), None)
    if not any(mark in text for mark in _OF_OPERATORS for text in said):
        # A text without Chinese words is that of a library: no person wrote it for people.
        return said if _IDEOGRAPH.search(said[1]) else (said[0], (by_class or STATUSES[500])[1])
    # A value that people gave is told without its command: it still says which.
    if by_class in (None, _AGAIN):
        return said[0].replace("`", ""), said[1].replace("`", "")
    return by_class


def sentences(error: DomainError) -> tuple[str, str]:
    """`plain_words` as they stand alone on a page: begun and ended as sentences are."""
    english, chinese = plain_words(error)
    first = english.split(" ", 1)[0]
    if first.isalpha() and first.islower():
        english = english[:1].upper() + english[1:]
    return (
        english if english.endswith((".", "?", "!")) else f"{english}.",
        chinese if chinese.endswith(("。", "？", "！")) else f"{chinese}。",
    )
