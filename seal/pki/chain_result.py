"""What comes of judging a chain of certificates, and in which words it is told.

Data alone: the judging is `seal.trust`'s.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final, Literal, NamedTuple

from seal.pki.certificates import CertificateInfo

ChainStatus = Literal[
    "TRUSTED",
    "NO_ANCHOR",
    "OTHER_KEY",
    "PURPOSE_NOT_TRUSTED",
    "SUITE_NOT_TRUSTED",
    "MAKER_NOT_LISTED",
    "SIGNER_AS_MAKER",
    "ANCHOR_NOT_YET_TRUSTED",
    "ANCHOR_WITHDRAWN",
    "REVOCATION_UNKNOWN",
    "EXPIRED",
    "NOT_YET_VALID",
    "REVOKED",
    "BAD_SIGNATURE",
    "NOT_CA",
    "KEY_USAGE",
    "EXTENDED_KEY_USAGE",
    "CRITICAL_EXTENSION",
    "UNSUPPORTED_KEY",
    "MALFORMED",
]


class ChainResult(NamedTuple):
    """`path` runs from the leaf to the anchor, as far as it went.

    `revoked_at` is set for REVOKED, and for TRUSTED when the leaf or an issuer was revoked after
    the instant asked about; `revoked_why` is the reason its authority gave (RFC 5280 §5.3.1).
    `withdrawn_at` is when trust in the anchor ended or will end before its certificate does.
    `revocation_known` says that every certificate below the anchor had a good revocation list made
    at or after that instant, or one still current then; `known_until` until when the least known of
    them is (None where one has no data at all); `is_required` that its anchor asks for such data.
    `is_listed_maker` says that its anchor lists the leaf as a seal maker; `is_meant_otherwise` that
    a certificate names uses of its key, without this one. `anchor` and `source` are the names of
    the anchor and of the trust list it stands on, where the path led to one. `is_data_ahead` says
    that revocation data was passed over since it is from the future.
    """

    status: ChainStatus
    path: tuple[CertificateInfo, ...]
    detail: str
    detail_zh: str
    revoked_at: datetime | None = None
    revoked_why: str = ""
    withdrawn_at: datetime | None = None
    revocation_known: bool = False
    is_meant_otherwise: bool = False
    anchor: str = ""
    source: str = ""
    known_until: datetime | None = None
    is_required: bool = False
    is_listed_maker: bool = False
    is_data_ahead: bool = False

    @property
    def is_trusted(self) -> bool:
        """Whether the leaf led to an anchor in force."""
        return self.status == "TRUSTED"


# From the least to the most telling: of several failed paths, the most telling one is reported.
_FROM_LEAST: Final[tuple[ChainStatus, ...]] = (
    "NO_ANCHOR",
    "OTHER_KEY",
    "BAD_SIGNATURE",
    "UNSUPPORTED_KEY",
    "CRITICAL_EXTENSION",
    "EXTENDED_KEY_USAGE",
    "KEY_USAGE",
    "NOT_CA",
    "NOT_YET_VALID",
    "EXPIRED",
    "PURPOSE_NOT_TRUSTED",
    "SUITE_NOT_TRUSTED",
    "ANCHOR_NOT_YET_TRUSTED",
    "ANCHOR_WITHDRAWN",
    "SIGNER_AS_MAKER",
    "MAKER_NOT_LISTED",
    "REVOCATION_UNKNOWN",
    "REVOKED",
    "TRUSTED",
)
TELLING: Final = {status: rank for rank, status in enumerate(_FROM_LEAST)}

DETAILS: Final[dict[str, tuple[str, str]]] = {
    "TRUSTED": ("the chain leads to a trust anchor", "证书链可追溯到受信任的根证书"),
    "NO_ANCHOR": ("no trust anchor is known for the chain", "证书链没有对应的受信任根证书"),
    "OTHER_KEY": (
        "an issuer of that name is known, but with another key: it has a new one, or somebody "
        "took its name",
        "已知同名颁发者，但密钥不同：颁发者可能已更换密钥，或有人冒用其名称",
    ),
    "PURPOSE_NOT_TRUSTED": (
        "its trust anchor is not trusted for this purpose",
        "对应的根证书未被授予该用途的信任",
    ),
    "SUITE_NOT_TRUSTED": (
        "its trust anchor is not trusted with keys of this kind",
        "对应的根证书不允许使用该类密钥算法",
    ),
    "MAKER_NOT_LISTED": (
        "it is not among those that make seals under its trust anchor (of a maker appointed since, "
        "get the trust list anew)",
        "不在对应根证书的制章者名单中（如为新任制章者，请更新信任列表）",
    ),
    "SIGNER_AS_MAKER": (
        "it is for signing documents (extended key usage), not for making seals",
        "该证书用于签署文件（扩展密钥用途），不能用于制章",
    ),
    "ANCHOR_NOT_YET_TRUSTED": (
        "its trust anchor was not trusted yet at that time",
        "对应的根证书在该时刻尚未被信任",
    ),
    "ANCHOR_WITHDRAWN": (
        "trust in its anchor had been withdrawn by that time",
        "对应的根证书在该时刻已被撤销信任",
    ),
    "REVOCATION_UNKNOWN": (
        "no revocation data covers that time: fetch it and verify again",
        "没有覆盖该时刻的吊销数据：请获取后重新验证",
    ),
    "EXPIRED": ("a certificate had ended at that time", "证书在该时刻已过有效期"),
    "NOT_YET_VALID": ("a certificate had not begun at that time", "证书在该时刻尚未生效"),
    "REVOKED": ("a certificate was revoked at that time", "证书在该时刻已被吊销"),
    "BAD_SIGNATURE": ("a certificate's signature is not its issuer's", "证书签名与颁发者不符"),
    "NOT_CA": ("an issuer is not a certificate authority", "颁发者不是 CA 证书"),
    "KEY_USAGE": ("a key was used for what its certificate forbids", "密钥用途不符"),
    "EXTENDED_KEY_USAGE": (
        "a certificate is for other purposes than this (extended key usage)",
        "证书的扩展密钥用途不包含此用途",
    ),
    "CRITICAL_EXTENSION": ("a critical extension is not understood", "存在无法识别的关键扩展"),
    "UNSUPPORTED_KEY": (
        "a key or a signature is of an unsupported kind",
        "不支持的密钥或签名算法类型",
    ),
}
