"""Writes one forged PDF for each way there is, of one sound document:

    python -m tests.builders.forgeries_pdf --out tests/conformance/forgeries-pdf

Beside them go the sound files, the public trust folder that judges them, and `manifest.json`: which
check each has to fail, and the list of what has to be covered. Keys are made anew and thrown away,
so every run writes other bytes; a file is added by running it again.
"""

from __future__ import annotations

import argparse
import json
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

from seal.judging.check_names import etsi_word
from seal.pdf.signing import Level
from tests.builders import (
    forged_pdf_between,
    forged_pdf_bytes,
    forged_pdf_evidence,
    forged_pdf_readings,
    forged_pdf_rebuilt,
    forged_pdf_signers,
    forged_pdf_smuggling,
    forged_pdf_updates,
    forged_pdf_values,
)
from tests.builders.forging_pdf import FORGERIES, JUDGED, SEALED, PdfBench, PdfForgery

ROOMS = (
    forged_pdf_bytes,
    forged_pdf_updates,
    forged_pdf_between,
    forged_pdf_evidence,
    forged_pdf_readings,
    forged_pdf_rebuilt,
    forged_pdf_signers,
    forged_pdf_smuggling,
    forged_pdf_values,
)
"""Where forgeries register themselves."""

ITEMS = {
    "changed_bytes": ("bytes changed in place", "直接修改字节"),
    "added_bytes": ("bytes before or after the document", "文件前后附加数据"),
    "update": ("an incremental update that changes what is seen", "增量更新修改显示内容"),
    "shadow": ("content prepared to be shown later (shadow attack)", "影子攻击"),
    "foreign_signature": ("a signature from another document", "签名取自其他文件"),
    "byte_range": ("a ByteRange that leaves more out", "字节范围遗漏内容"),
    "no_signature": ("an empty or missing signature (universal forgery)", "空签名或缺失签名"),
    "wrapping": ("a signature wrapped into a new one", "签名包装攻击"),
    "readers_differ": ("files that readers see differently", "不同阅读器读法不同的文件"),
    "removed_signature": ("a signature taken out of the form", "签名被移出表单"),
    "unknown_kind": ("a signature of an unknown kind", "未知类型的签名"),
    "ambiguous_value": ("a signature value with more than one meaning", "签名值有歧义"),
    "swapped_certificate": ("a swapped signer certificate", "签名者证书被替换"),
    "wrong_signature": ("a forged signature", "伪造的签名"),
    "weak_digest": ("a digest or key that is too weak", "摘要或密钥强度不足"),
    "signer_not_good": ("a signer revoked, expired or unfit", "签名者证书已吊销、过期或不适用"),
    "stranger": ("a signer nobody trusts", "签名者不受信任"),
    "look_alike": ("look-alike certificates", "仿冒证书（同名异钥）"),
    "signing_time": ("a signature from the future or of no time", "签名时间晚于当前或缺失"),
    "time_stamp": ("a time-stamp of other bytes, before, or untrusted", "时间戳无效"),
    "repainted": (
        "a page painted over, and a good signature or time-stamp set after that",
        "覆盖页面内容后再加签章或时间戳",
    ),
    "between": (
        "something else changed between two good signatures",
        "两个有效签名之间夹带其他修改",
    ),
    "evidence": ("something that is no evidence, added as such", "以验证资料名义夹带其他内容"),
    "certification": ("a certified document changed", "认证文件被修改"),
}
"""English and Chinese; each has one file at least."""


def write(folder: Path) -> None:
    """Write all of it into an empty or former folder."""
    if folder.exists():
        shutil.rmtree(folder)
    bench = PdfBench()
    sound = {
        "sound.pdf": bench.sound,
        "sound-form.pdf": bench.sound_form,
        "sound-twice.pdf": bench.sealed(
            bench.sound, by=bench.second, at=SEALED + timedelta(hours=1), x_mm=20
        ),
        "sound-library.pdf": forged_pdf_between.by_library(bench),
        "sound-redated.pdf": forged_pdf_smuggling.redated(bench),
        "sound-stamped.pdf": bench.sealed(stamper=bench.stamper),
        "sound-archived.pdf": bench.sealed(stamper=bench.stamper, level=Level.B_LTA),
        "sound-closed.pdf": bench.sealed(close=True),
    }
    forged = {f"{one.name}.pdf": one.make(bench) for one in FORGERIES.values()}
    trust = {f"trust/{path}": data for path, data in bench.trust_folder().items()}
    for name, data in {**sound, **forged, **trust}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    manifest = {
        "judged_at": JUDGED.isoformat(),
        "sound": sorted(sound),
        "items": {key: {"en": en, "zh": zh} for key, (en, zh) in ITEMS.items()},
        "forgeries": [_told(one) for one in FORGERIES.values()],
    }
    text = json.dumps(manifest, ensure_ascii=False, indent=1) + "\n"
    (folder / "manifest.json").write_text(text, encoding="utf-8")


def _told(one: PdfForgery) -> dict[str, Any]:
    """A line of the manifest."""
    return {
        "file": f"{one.name}.pdf",
        "item": one.item,
        "en": one.en,
        "zh": one.zh,
        "check": one.check,
        "indication": one.indication,
        "reason": one.reason or one.check.upper(),
        "etsi": etsi_word(one.check, one.reason),
    }


def main() -> None:
    """Write the folder that `--out` names."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    write(parser.parse_args().out)


if __name__ == "__main__":
    main()
