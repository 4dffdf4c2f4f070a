"""What a visitor may be shown: codes, files and receipts of a running node, true and forged."""

from __future__ import annotations

import json
import time
import zlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import segno
from PIL import Image

from licenses.offline.coding import base45, from_base45
from licenses.v1 import copies_pb2, licenses_pb2, offline_pb2, presentations_pb2
from runtime.clock import CHINA
from tests.builders import county
from tongban.demonstration import sharing
from tongban.demonstration.stage import Stage
from tongban.receipts import complete, save_receipt

LICENSE_TYPE = "licenseTypes/employment-registration"
PURPOSE = "办理公积金提取"
FIELDS = ("CZZT", "KZ_DJLX")


@dataclass
class Shown:
    """Names of what there is: `codes` are typed or scanned, `files` dropped."""

    scene: Stage
    folder: Path
    license: Any = None
    codes: dict[str, str] = field(default_factory=dict)
    files: dict[str, Path] = field(default_factory=dict)

    def put(self, name: str, data: bytes) -> Path:
        """Keep a file under a name with its ending."""
        path = self.folder / name
        path.write_bytes(data)
        self.files[name.partition(".")[0]] = path
        return path


def show(scene: Stage, folder: Path) -> Shown:
    """One license of one applicant, presented in every way, and a receipt of a query."""
    county.fill_catalog(scene, departments=False)
    person = sharing.applicant()
    found = Shown(scene, folder)
    found.license = issue(scene, person.name, person.citizen_number, "shown")
    _codes(found, person.citizen_number)
    _documents(found, person.citizen_number)
    _receipts(found, person.citizen_number)
    scene["centre"].statuses.PublishStatusLists(offline_pb2.PublishStatusListsRequest(), timeout=60)
    return found


def issue(scene: Stage, name: str, number: str, request_id: str) -> Any:
    """A license of the employment bureau's."""
    request = licenses_pb2.IssueLicenseRequest(
        parent="departments/human-resources",
        license_type=LICENSE_TYPE,
        holder_name=name,
        holder_code=number,
        fields={"KZ_DJLX": "失业登记", "KZ_XLXX": "大学本科", "KZ_JYZT": "失业"},
        request_id=request_id,
    )
    return scene["employment"].licenses.IssueLicense(request, timeout=60).license


def presented(found: Shown, number: str, **changes: Any) -> str:
    """An online code."""
    values = {"purpose": PURPOSE, "max_uses": 20, "request_id": str(time.monotonic_ns())}
    request = presentations_pb2.PresentLicenseRequest(
        license=found.license.name, holder_code=number, fields=FIELDS, **{**values, **changes}
    )
    client = found.scene["terminal"]
    return str(client.presentations.PresentLicense(request, timeout=60).code)


def offline(found: Shown, number: str, **changes: Any) -> str:
    """The text of an offline QR code."""
    values = {"purpose": PURPOSE, "request_id": str(time.monotonic_ns())}
    request = offline_pb2.PresentOfflineRequest(
        license=found.license.name, holder_code=number, fields=FIELDS, **{**values, **changes}
    )
    return str(found.scene["terminal"].offline.PresentOffline(request, timeout=60).text)


def changed(text: str) -> str:
    """A QR code whose signature is another one."""
    token = bytearray(zlib.decompress(from_base45(text.removeprefix("TB1:"))))
    token[-1] ^= 1
    return "TB1:" + base45(zlib.compress(bytes(token), 9))


def qr_picture(text: str, path: Path) -> Path:
    """A QR code of level Q as a picture, as a phone shows it."""
    segno.make(text, error="q").save(str(path), scale=5, border=6)
    return path


def _codes(found: Shown, number: str) -> None:
    bank = "departments/public-security"
    found.codes |= {
        "online": presented(found, number),
        "online_bound": presented(found, number, audience=bank),
        "unknown": "00000-00000-00000-00000-000000",
        "offline": offline(found, number),
        "offline_bound": offline(found, number, audience=bank),
        "offline_purpose": offline(found, number, purpose_bound=True),
    }
    found.codes["offline_forged"] = changed(found.codes["offline"])


def _documents(found: Shown, number: str) -> None:
    client = found.scene["terminal"]
    for name in ("OFD", "PDF"):
        form = licenses_pb2.LicenseFormat.Value(f"LICENSE_FORMAT_{name}")
        asked = licenses_pb2.GetLicenseDocumentRequest(
            name=found.license.name, format=form, reason="核对", holder_code=number
        )
        document = client.licenses.GetLicenseDocument(asked, timeout=60).document
        found.put(f"license_{name.lower()}.{name.lower()}", document)
    request = copies_pb2.MakeEndorsedCopyRequest(
        license=found.license.name,
        holder_code=number,
        format=licenses_pb2.LICENSE_FORMAT_PDF,
        purpose=PURPOSE,
        receiver="示范县住房公积金中心",
        valid_to=(datetime.now(CHINA) + timedelta(days=30)).date().isoformat(),
        request_id="copy",
    )
    found.put("copy.pdf", client.copies.MakeEndorsedCopy(request, timeout=60).document)


def _receipts(found: Shown, number: str) -> None:
    """Of a query: promised, proved, and forged."""
    client = found.scene["employment"]
    grant = county.grant(found.scene)
    answer = client.query(grant, number, purpose=sharing.PURPOSE, case_number=sharing.CASE)
    request = {"grant": grant, "key": number, "items": [], "purpose": sharing.PURPOSE,
               "case_number": sharing.CASE}  # fmt: skip
    promised = found.folder / "promised.json"
    save_receipt(
        promised, answer.receipt, request=request,
        answer={"found": answer.found, "items": dict(answer.items)},
    )  # fmt: skip
    proved = found.put("proved.json", promised.read_bytes())
    found.files["promised"] = promised
    complete(client, proved)
    said = json.loads(proved.read_text("utf-8"))
    said["values"]["request"]["purpose"] = "另有用途"
    found.put("forged.json", json.dumps(said, ensure_ascii=False).encode())
    said = json.loads(promised.read_text("utf-8"))
    said["batch"] += 1
    found.put("moved.json", json.dumps(said).encode())


def film(picture: Path, path: Path) -> Path:
    """What a camera sees of a picture that is held before it: two frames of grey, YUV4MPEG2."""
    width, height = 1280, 960
    with Image.open(picture) as read:
        scale = 0.9 * height / read.height
        held = read.convert("L").resize((int(read.width * scale), int(read.height * scale)))
    seen = Image.new("L", (width, height), 190)
    seen.paste(held, ((width - held.width) // 2, (height - held.height) // 2))
    frame = b"FRAME\n" + seen.tobytes() + bytes([128]) * (width * height // 2)
    head = f"YUV4MPEG2 W{width} H{height} F10:1 Ip A1:1 C420jpeg\n".encode()
    path.write_bytes(head + 2 * frame)
    return path
