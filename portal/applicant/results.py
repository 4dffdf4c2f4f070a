"""What came of a look that could be refused, in the words of the license's holder."""

from __future__ import annotations

from typing import Final

#: By a verdict's word, English and Chinese. A test holds this to the services' enums.
RESULTS: Final = {
    "PASSED": ("verified", "核验通过"),
    # A code or a QR code that was shown.
    "CODE_UNKNOWN": ("refused: no such code", "未通过：没有此亮证码"),
    "WRONG_AUDIENCE": ("refused: you showed it to another", "未通过：您是向其他单位出示的"),
    "DELEGATION_ENDED": ("refused: the delegation is over", "未通过：委托已结束"),
    "PRESENTATION_ENDED": ("refused: you had ended it", "未通过：您已结束亮证"),
    "CODE_EXPIRED": ("refused: the code had run out", "未通过：核验码已过期"),
    "CODE_USED_UP": ("refused: the code was used up", "未通过：核验码次数已用完"),
    "WRONG_PURPOSE": ("refused: another purpose", "未通过：用途不符"),
    "HOLDER_DIFFERS": (
        "refused: shown with somebody else's identity card",
        "未通过：出示人的身份证件与您不符",
    ),
    "QR_UNREADABLE": ("refused: the QR code cannot be read", "未通过：二维码无法读取"),
    "IDENTIFIER_SCANNED": (
        "not judged: the identifier that is printed on the license was scanned",
        "未作判断：所扫的是印在证照上的标识",
    ),
    "FOREIGN_KEY": ("refused: the QR code is forged", "未通过：二维码系伪造"),
    "SIGNATURE_WRONG": ("refused: the QR code was changed", "未通过：二维码已被改动"),
    # The license itself.
    "LICENSE_REVOKED": ("refused: the license is revoked", "未通过：证照已吊销"),
    "LICENSE_CANCELLED": ("refused: the license is cancelled", "未通过：证照已注销"),
    "LICENSE_SUSPENDED": ("refused: the license is suspended", "未通过：证照已暂扣"),
    "LICENSE_SUPERSEDED": ("refused: a newer license replaces it", "未通过：证照已被新版替代"),
    "LICENSE_TRANSFERRED": ("refused: the license was transferred", "未通过：证照已转移"),
    "LICENSE_EXPIRED": ("refused: the license has run out", "未通过：证照已过有效期"),
    "LICENSE_NOT_YET_VALID": ("refused: the license is not valid yet", "未通过：证照尚未生效"),
    "LICENSE_UNKNOWN": ("refused: no license of this place", "未通过：不是本地签发的证照"),
    "NOT_IN_FORCE_THEN": (
        "refused: not in force at the time that was asked about",
        "未通过：证照在所询时间不在有效状态",
    ),
    # A file, or fields that were compared.
    "FILE_UNREADABLE": ("refused: the file cannot be read", "未通过：文件无法读取"),
    "WALLET_CREDENTIAL": (
        "refused: a wallet's credential, shown as a file",
        "未通过：以文件形式出示的钱包凭证",
    ),
    "FILE_NOT_ISSUED": (
        "refused: a file that was never given out; it is forged",
        "未通过：并非所发文件，系伪造",
    ),
    "METADATA_CHANGED": ("refused: what the file says was changed", "未通过：文件内容已被改动"),
    "DOCUMENT_NOT_VERIFIED": ("refused: the file's seal is not good", "未通过：文件签章无效"),
    "NO_MATCH": (
        "refused: what was asked is not what the license says",
        "未通过：比对内容与证照不一致",
    ),
    "COPY_FOR_OTHER_RECEIVER": (
        "refused: a copy for another receiver",
        "未通过：加注件给其他单位",
    ),
    "COPY_FOR_OTHER_PURPOSE": ("refused: a copy for another purpose", "未通过：加注件用途不符"),
    "COPY_WITHDRAWN": ("refused: you withdrew the copy", "未通过：您已撤回加注件"),
    "COPY_MADE_LATER": ("refused: the copy was made later", "未通过：加注件制作在后"),
    "COPY_ENDED": ("refused: the copy has run out", "未通过：加注件已过期"),
    # A wallet's answer.
    "ANSWER_UNREADABLE": (
        "refused: the wallet's answer cannot be read",
        "未通过：应答无法读取",
    ),
    "CREDENTIAL_NOT_VERIFIED": (
        "refused: what the wallet showed was changed",
        "未通过：钱包出示的凭证已被改动",
    ),
    "CREDENTIAL_NOT_ISSUED": (
        "refused: what the wallet showed was never given out",
        "未通过：钱包出示的并非所发凭证",
    ),
    "OTHER_LICENSE_TYPE": ("refused: another kind of license", "未通过：证照类型不符"),
    "NOT_BOUND_TO_A_HOLDER": (
        "refused: what was shown is bound to no wallet",
        "未通过：所出示凭证未绑定钱包",
    ),
    "KEY_BINDING_MISSING": (
        "refused: no proof that it was your wallet",
        "未通过：不能证明出自您的钱包",
    ),
    "KEY_BINDING_WRONG": ("refused: it was not your wallet", "未通过：并非出自您的钱包"),
    "KEY_BINDING_STALE": ("refused: an old answer was shown again", "未通过：重复使用旧应答"),
    "WRONG_NONCE": ("refused: an answer to another question", "未通过：应答与请求不符"),
    "PURPOSE_NOT_SEEN": (
        "refused: the wallet had not shown you the purpose",
        "未通过：钱包未向您显示用途",
    ),
    "CLAIMS_MISSING": ("refused: fields were left out", "未通过：缺少所要求的信息项"),
    "VALUES_CHANGED": ("refused: not what the license says", "未通过：内容与证照不一致"),
}
REFUSED: Final = ("refused", "未通过")


def result_of(word: str) -> tuple[str, str] | None:
    """What came of it; None where nothing could be refused. What is not known was refused."""
    return RESULTS.get(word, REFUSED) if word else None
