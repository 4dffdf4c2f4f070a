"""Writes one forged file for each way there is, of one sound document:

    python -m tests.builders.forgeries --out tests/conformance/forgeries

Beside them go the sound files, the public trust folder that judges them, and `manifest.json`: which
check each has to fail, at which time it is judged, and the list of what has to be covered. Keys are
made anew and thrown away, so every run writes other bytes; a file is added by running it again.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

from seal.judging.check_names import etsi_word
from tests.builders import (
    forged_contents,
    forged_costs,
    forged_later,
    forged_lists,
    forged_old,
    forged_packages,
    forged_pictures,
    forged_readings,
    forged_seals,
    forged_signers,
    forged_signs,
    forged_smuggling,
    forged_stamps,
    forged_times,
    forged_values,
)
from tests.builders.forging import ABOUT, DIGEST, FORGERIES, JUDGED, Bench, Forgery

ROOMS = (
    forged_packages,
    forged_smuggling,
    forged_costs,
    forged_contents,
    forged_later,
    forged_lists,
    forged_old,
    forged_pictures,
    forged_readings,
    forged_seals,
    forged_signers,
    forged_signs,
    forged_stamps,
    forged_times,
    forged_values,
)
"""Where forgeries register themselves."""

ITEMS = {
    "changed_page": ("a changed page", "页面被修改"),
    "changed_resource": ("a changed resource", "资源被修改"),
    "changed_attachment": ("a changed attachment", "附件被修改"),
    "changed_metadata": ("changed metadata", "元数据被修改"),
    "changed_stamp_position": ("a changed stamp position", "印章位置被修改"),
    "swapped_seal": ("a swapped seal", "印章被替换"),
    "reimaged_seal": ("a re-imaged seal", "印章图像被更换"),
    "seal_picture": ("a picture that is not what its seal says", "印章图像与声明不符"),
    "foreign_signature": ("a signature from another document", "签章取自其他文件"),
    "dropped_reference": ("dropped references", "引用被删除"),
    "duplicated_reference": ("duplicate references", "引用重复"),
    "escaping_path": ("paths that escape", "路径越出文件包"),
    "case_collision": ("paths that collide by case", "路径仅大小写不同"),
    "encoding_collision": ("paths that collide by encoding", "路径因编码而相同"),
    "uncovered_file": ("a file outside every signature's cover", "文件不受任何签章保护"),
    "two_entries_one_name": ("two zip entries with one name", "压缩包中条目重名"),
    "directory_disagrees": ("directory and local header differ", "目录与本地头不一致"),
    "seal_before_made": ("a seal used before it was made", "印章在制作前被使用"),
    "seal_after_end": ("a seal used after it ended", "印章在失效后被使用"),
    "seal_before_begin": ("a seal used before it began", "印章在生效前被使用"),
    "self_made_seal": ("a seal that a signer made itself", "签章者自制的印章"),
    "signer_not_listed": ("a signer not in the seal's list", "签章者不在印章列表中"),
    "wrong_signer_id": ("SM2 signatures with the wrong signer id", "SM2 签名者标识错误"),
    "value_out_of_range": ("r or s out of range", "r 或 s 超出范围"),
    "algorithm_mismatch": ("a key of one algorithm under a value of another", "算法不一致"),
    "check_method": ("references by another digest", "引用采用其他摘要算法"),
    "time_stamp_before_seal": ("a time-stamp before the seal's creation", "时间戳早于制章"),
    "time_stamp_other_bytes": ("a time-stamp over other bytes", "时间戳针对其他数据"),
    "time_stamp_untrusted": ("a time-stamp by nobody we trust", "时间戳不受信任"),
    "look_alike": ("look-alike certificates", "仿冒证书（同名异钥）"),
    "critical_extension": ("an unknown critical extension", "无法识别的关键扩展"),
    "seal_unsigned": ("a seal whose own signature is bad", "印章自身签名无效"),
    "seal_expired": ("an expired seal", "印章过期"),
    "revoked_signer": ("a signer revoked, expired or unfit when signing", "签章时证书不可用"),
    "revoked_maker": ("a maker revoked when it made the seal", "制章时制章者证书被吊销"),
    "backdated": ("a signature dated back before a revocation or an end", "签章时间倒签"),
    "from_the_future": ("a signature from the future", "签章时间晚于当前"),
    "no_chain": ("no chain to a trusted root", "证书链不可信"),
    "root_unprotected": ("OFD.xml left unprotected", "OFD.xml 未受保护"),
    "second_document": ("a second document, unsigned or badly signed", "第二个文档未签或签章无效"),
    "one_bad_of_several": ("several signatures of which one is bad", "多个签章中有一个无效"),
    "hidden_signature": ("a signature hidden from the list", "签章未列入签名列表"),
    "reencoded": ("re-encoded DER", "重新编码的 DER"),
    "trailing_data": ("data after the zip", "压缩包之后附有数据"),
    "prepended_data": ("data before the zip", "压缩包之前附有数据"),
    "comment": ("comments in the zip", "压缩包中的注释"),
    "zip64": ("zip64 fields that lie", "zip64 字段不实"),
    "dtd": ("XML with a document type, entities or another encoding", "XML 含文档类型或实体"),
    "smuggled_list": ("content in the signature list", "签名列表中藏入内容"),
    "smuggled_signature": ("content in a later Signature.xml", "后一 Signature.xml 中藏入内容"),
    "smuggled_value": ("content in a signature value that nobody signed", "签名值中藏入内容"),
    "seal_unvouched": ("a seal shown that no signature vouches for", "显示无签名证明的印章"),
    "two_dates": ("two accounts of the time of signing", "签署时间的两种说法"),
    "smuggled_zip": ("content in the zip, outside its files", "压缩包的文件之外藏入内容"),
    "readers_differ": ("what readers show differently", "不同软件显示不同的内容"),
    "leads_outside": ("what leads outside the document", "指向文件之外的内容"),
    "stamp_off_page": ("a stamp off its page or of no size", "印章不在页面上或没有大小"),
    "covering_seal": ("a later seal over what others signed", "后盖印章遮盖他人所签内容"),
    "zip_bomb": ("zip bombs by ratio and by size", "压缩炸弹"),
}
"""Everything the list of weaknesses names, English and Chinese; each has one file at least."""

_ENDINGS = {"ofd": "ofd", "seal": "esl", "detached": "dat"}


def write(folder: Path) -> None:
    """Write all of it into an empty or former folder."""
    if folder.exists():
        shutil.rmtree(folder)
    bench = Bench()
    sound = {
        "sound.ofd": bench.sound,
        "sound-twice.ofd": bench.twice,
        "sound-stamped.ofd": bench.sealed(stamp=bench.stamp()),
        "sound-revoked-since.ofd": bench.used_by(bench.later_revoked, stamp=bench.stamp()),
        "sound-closed.ofd": bench.sealed(close=True),
        "sound-version-1.ofd": forged_old.old_sound(bench),
        "sound-sign.ofd": forged_signs.signed(bench),
        "sound.esl": bench.good_seal,
        "sound.dat": bench.detached(),
    }
    forged = {_file(one): one.make(bench) for one in FORGERIES.values()}
    trust = {f"trust/{path}": data for path, data in bench.trust_folder().items()}
    for name, data in {**sound, **forged, **trust}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    manifest = {
        "judged_at": JUDGED.isoformat(),
        "detached": {"digest": DIGEST.hex(), "about": ABOUT},
        "sound": sorted(sound),
        "items": {key: {"en": en, "zh": zh} for key, (en, zh) in ITEMS.items()},
        "forgeries": [_told(one) for one in FORGERIES.values()],
    }
    text = json.dumps(manifest, ensure_ascii=False, indent=1) + "\n"
    (folder / "manifest.json").write_text(text, encoding="utf-8")


def _file(one: Forgery) -> str:
    return f"{one.name}.{_ENDINGS[one.kind]}"


def _told(one: Forgery) -> dict[str, Any]:
    """A line of the manifest; a reported one PASSES with a notice at its check."""
    is_bad = one.indication != "PASSED"
    return {
        "file": _file(one),
        "item": one.item,
        "en": one.en,
        "zh": one.zh,
        "check": one.check,
        "indication": one.indication,
        "reason": (one.reason or one.check.upper()) if is_bad else "",
        "etsi": etsi_word(one.check, one.reason) if is_bad else "",
        "now": one.now,
    }


def main() -> None:
    """Write the folder that `--out` names."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    write(parser.parse_args().out)


if __name__ == "__main__":
    main()
