"""The metadata of a license (GB/T 36903) and what stands on its page.

1. The metadata is texts by key: every key of the standard, then the type's own fields (`KZ_*`). A
   license made from a paper one says so in it: where from, number, date, hashes of the scans.
2. Its digest is the SHA-256 of its canonical JSON. All three forms of a license carry the metadata,
   the credential the digest too: of two forms that say different things one is found out.
3. A page is made from the metadata, the pictures it names by hash, and the type's version: a retry
   makes the same page.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import date, datetime

from licenses.identifiers import LicenseIdentifier
from licenses.model import BETWEEN, Holder, Issuer, IssuingSeal, License, Order, Paper
from licenses.types.model import (
    HOLDER_CODE_WORDS,
    PERMANENT_RESIDENT,
    FieldKind,
    HolderCodeType,
    LicenseType,
)
from licenses.types.values import chinese_date, read_rows, shown
from runtime.clock import CHINA, china_date
from runtime.idcodes import is_permanent_resident_number
from runtime.records import canonical

WITHOUT_END = "长期"
FROM_PAPER = "历史数据电子化"
#: Stands on the page of a license made from a paper one.
PAPER_MARK = "依纸质证照电子化"
#: What a slot of a template may show: a text, the rows of a table, or a picture.
PageValue = str | tuple[tuple[str, ...], ...] | bytes


def metadata_of(
    order: Order,
    *,
    identifier: LicenseIdentifier,
    issuer: Issuer,
    seal: IssuingSeal,
    issue_time: datetime,
    valid_from: date,
    valid_to: date | None,
) -> dict[str, str]:
    """The metadata of a license: every key of GB/T 36903, then the type's own fields.

    ZZQZSJ is when the license was given to be sealed; the instant of sealing itself stands in the
    seal's signature, which covers this text and so cannot be in it.
    """
    own = {f.code: order.fields[f.code] for f in order.type.fields if order.fields.get(f.code)}
    kinds = [_kind_of(one) for one in order.holders]
    if len(set(kinds)) == 1:
        kinds = kinds[:1]  # said once of all
    return {
        "ZZMC": order.type.display_name,
        "ZZLXDM": order.type.code,
        "ZZBH": identifier.serial,
        "ZZBS": str(identifier),
        "ZZBFJG": issuer.display_name,
        "ZZBFJGDM": issuer.credit_code,
        "ZZBFRQ": china_date(issue_time),
        "CZZT": BETWEEN.join(one.name for one in order.holders),
        "CZZTDM": BETWEEN.join(one.code for one in order.holders),
        "CZZTDMLX": BETWEEN.join(words for words, _ in kinds),
        "CZZTDMLXDM": BETWEEN.join(number for _, number in kinds),
        "ZZYXQQSRQ": valid_from.isoformat(),
        "ZZYXQJZRQ": valid_to.isoformat() if valid_to else WITHOUT_END,
        "ZZQZR": issuer.display_name,
        "ZZQZSJ": issue_time.astimezone(CHINA).strftime("%Y-%m-%d %H:%M:%S"),
        "ZZQZMC": seal.display_name,
        **own,
        **(_of_paper(order.paper) if order.paper else {}),
    }


def _kind_of(holder: Holder) -> tuple[str, str]:
    """What a holder's code is called, and its number in GB/T 36903."""
    kind = holder.code_type
    if kind is HolderCodeType.CITIZEN_NUMBER and is_permanent_resident_number(holder.code):
        return PERMANENT_RESIDENT
    return HOLDER_CODE_WORDS[kind], kind.value


def _of_paper(paper: Paper) -> dict[str, str]:
    """Where a license made from a paper one comes from; these keys are no type's."""
    return {
        "KZ_SJLY": FROM_PAPER,
        "KZ_YZZBH": paper.number,
        "KZ_YZZRQ": paper.issue_date.isoformat(),
        "KZ_SMJ": " ".join(f"sha256:{hashlib.sha256(scan).hexdigest()}" for scan in paper.scans),
    }


def paper_mark(metadata: Mapping[str, str]) -> str:
    """The line on the page of a license made from a paper one; empty for any other."""
    if metadata.get("KZ_SJLY") != FROM_PAPER:
        return ""
    day = chinese_date(date.fromisoformat(metadata["KZ_YZZRQ"]))
    return f"{PAPER_MARK}　原证号：{metadata['KZ_YZZBH']}　原发证日期：{day}"


def order_field(key: str) -> str:
    """What a caller gave that stands on the page as a key of the metadata, by its name there."""
    if key.startswith("KZ_"):
        return f"fields.{key}"
    head, _, number = key.partition(".")
    one, several = {"CZZT": ("holder_name", "name"), "CZZTDM": ("holder_code", "code")}.get(
        head, (key, key)
    )
    if number:
        return f"holders[{int(number) - 1}].{several}"
    return {"ZZBH": "serial"}.get(one, one)


def metadata_digest(metadata: Mapping[str, str]) -> str:
    """SHA-256 of the canonical JSON of the metadata, hex."""
    return hashlib.sha256(canonical(dict(metadata))).hexdigest()


def pictures_of(metadata: Mapping[str, str], kind: LicenseType) -> dict[str, str]:
    """Hashes (hex) of the pictures of a license, by field."""
    return {
        one.code: metadata[one.code].removeprefix("sha256:")
        for one in kind.fields
        if one.kind is FieldKind.IMAGE and metadata.get(one.code)
    }


def scans_of(metadata: Mapping[str, str]) -> tuple[str, ...]:
    """Hashes (hex) of the scans of the paper license."""
    return tuple(one.removeprefix("sha256:") for one in metadata.get("KZ_SMJ", "").split())


def page_values(
    license_: License, kind: LicenseType, pictures: Mapping[str, bytes]
) -> dict[str, PageValue]:
    """What stands in each field of the page; `pictures` by field."""
    metadata = license_.metadata
    start, end = chinese_date(license_.valid_from), WITHOUT_END
    if license_.valid_to:
        end = chinese_date(license_.valid_to)
    values: dict[str, PageValue] = {
        **metadata,
        "issue_date": chinese_date(date.fromisoformat(metadata["ZZBFRQ"])),
        "valid_from": start,
        "valid_to": end,
        "validity": f"{start} 至 {end}",
        **_by_holder(license_.holders),
        "holders": tuple((one.name, _kind_of(one)[0], one.code) for one in license_.holders),
    }
    for one in kind.fields:
        kept = metadata.get(one.code, "")
        if one.kind is FieldKind.IMAGE:
            values[one.code] = pictures.get(one.code, b"")
        elif one.kind is FieldKind.TABLE:
            values[one.code] = read_rows(one, kept)
        else:
            values[one.code] = shown(one, kept)
    return {slot: values.get(key, "") for slot, key in kind.slots.items()}


def _by_holder(holders: tuple[Holder, ...]) -> dict[str, str]:
    found = {}
    for number, one in enumerate(holders, start=1):
        found[f"CZZT.{number}"] = one.name
        found[f"CZZTDM.{number}"] = one.code
    return found
