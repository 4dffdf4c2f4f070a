"""Sealed OFDs as other makers write them, by the habits seen in published documents.

Every document is sound and means one thing; each differs from ours in one habit or a few. The keys
are those of the test world, so that the verdict is PASSED or the habit is refused.
"""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from PIL import Image

from seal import der, suites
from seal.ses import assemble_signature, make_seal, to_be_signed
from tests.builders.ofd import BEGIN, END, SEALED_AT, World, pack, plain_ofd, png, unpack, world
from tests.builders.seal_pki import seal_spec
from tests.builders.signed_data import Form, signed_data

NAMESPACE = "http://www.ofdspec.org/2016"
DRAFT = "http://www.ofdspec.org"
SM3 = suites.SM3_OID
LIST = "Doc_0/Signs/Signatures.xml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Habit:
    """How a maker writes a signature; the default is like ours.

    `prefix` is of its elements ("" for the default namespace); `more` are further namespaces of its
    root, `said` attributes in them (but for the list, which nobody signs); `location` writes a
    path, given it and the file it stands in; `of_seal` are changes of the seal; `sign` makes it a
    signature of Type=Sign in that form.
    """

    prefix: str = "ofd"
    namespace: str = NAMESPACE
    more: str = ""
    said: str = ""
    head: str = '<?xml version="1.0" encoding="UTF-8"?>\n'
    spaced: bool = False
    date_time: str = "20260601083000Z"
    method: str = suites.SM2_SM3_OID
    check_method: str | None = SM3
    digest: str = SM3
    location: Callable[[str, str], str] = lambda path, _base: "/" + path
    type: str | None = "Seal"
    seal_file: bool = True
    value_first: bool = False
    last_id_first: bool = True
    version: int = 4
    property_info: str = ""
    bare: bool = False
    of_seal: Mapping[str, object] | None = None
    sign: Form | None = None
    folder: str = "Doc_0/Signs/Sign_0"


def _relative(path: str, base: str) -> str:
    """From the folder of the file it stands in."""
    here, there = base.split("/")[:-1], path.split("/")
    while here and there[:-1] and here[0] == there[0]:
        here.pop(0)
        there.pop(0)
    return "/".join([".."] * len(here) + there)


def _dotted(path: str, base: str) -> str:
    relative = _relative(path, base)
    return relative if relative.startswith("..") else "./" + relative


def picture(kind: str) -> bytes:
    """A seal's picture of that kind, which few verifiers look into."""
    if kind == "ofd":
        return plain_ofd()
    if kind == "svg":
        return b'<svg xmlns="http://www.w3.org/2000/svg" width="42mm" height="42mm"/>'
    buffer = io.BytesIO()
    Image.open(io.BytesIO(png(size=16))).convert("RGB").save(buffer, kind)
    return buffer.getvalue()


HABITS: dict[str, Habit] = {
    "like ours": Habit(),
    # what Signature.xml looks like
    "default namespace": Habit(prefix=""),
    "another prefix": Habit(prefix="ns0"),
    "extra namespaces": Habit(
        more=' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:v="urn:maker"',
        said=' xsi:schemaLocation="urn:maker maker.xsd" v:build="1"',
    ),
    "draft namespace": Habit(namespace=DRAFT),
    "byte order mark": Habit(head="\ufeff" + Habit().head),
    "no declaration": Habit(head=""),
    "standalone, lower case": Habit(head='<?xml version="1.0" encoding="utf-8" standalone="yes"?>'),
    "spaces and line ends": Habit(spaced=True, head=Habit().head.replace("\n", "\r\n")),
    "value before what is signed": Habit(value_first=True),
    "last number after the list": Habit(last_id_first=False),
    "no type": Habit(type=None),
    "no seal file": Habit(seal_file=False),
    # dates
    "date local": Habit(date_time="2026-06-01 16:30:00"),
    "date with fraction": Habit(date_time="20260601083000.763Z"),
    "date without zone": Habit(date_time="20260601163000"),
    "date ISO with zone": Habit(date_time="2026-06-01T16:30:00+08:00"),
    "date ISO": Habit(date_time="2026-06-01T08:30:00.12Z"),
    "date local said to be UTC": Habit(date_time="20260601163000Z"),
    "date with slashes": Habit(date_time="2026/6/1 16:30:00"),
    "date in Chinese": Habit(date_time="2026年06月01日 16:30:00"),
    "date of nobody": Habit(date_time="yesterday"),
    # digests
    "SM3 by name": Habit(check_method="SM3"),
    "SM3 by name, lower case": Habit(check_method="sm3"),
    "SM3 without a key": Habit(check_method=SM3 + ".1"),
    "method by URN": Habit(method=f"urn:oid:{suites.SM2_SM3_OID}"),
    "SM3 by URN": Habit(check_method=f"urn:oid:{SM3}"),
    "SM3 as of a standard": Habit(check_method="GM-SM3"),
    "SM3 with its length": Habit(check_method="sm3-256"),
    "SHA-256 by URI": Habit(
        check_method="http://www.w3.org/2001/04/xmlenc#sha256", digest=suites.SHA256_OID
    ),
    "SHA-256 by name": Habit(check_method="SHA-256", digest=suites.SHA256_OID),
    "SHA-512 by OID": Habit(check_method=suites.SHA512_OID, digest=suites.SHA512_OID),
    # paths
    "relative paths": Habit(location=_relative),
    "dotted paths": Habit(location=_dotted),
    # seals
    **{
        f"picture {kind}": Habit(of_seal={"picture_type": kind, "picture": picture(kind)})
        for kind in ("ofd", "jpeg", "gif", "bmp", "svg")
    },
    "version 5": Habit(version=5, property_info="/Doc_0/Signs/Sign_0/Signature.xml"),
    "version 1": Habit(version=1),
    "value r and s side by side": Habit(bare=True),
}
"""What another maker does and may; every document of `made` is PASSED."""

REFUSED: dict[str, tuple[Habit, str, str]] = {
    "MD5": (Habit(check_method="MD5"), "references", "DIGEST_WEAK"),
    "SHA-1 by OID": (Habit(check_method="1.3.14.3.2.26"), "references", "DIGEST_WEAK"),
    "SHA-1 by URN": (Habit(check_method="urn:oid:1.3.14.3.2.26"), "references", "DIGEST_WEAK"),
    "HMAC of SM3": (Habit(check_method="HMAC-SM3"), "references", "CHECK_METHOD"),
    "no CheckMethod": (Habit(check_method=None), "references", "DIGEST_WEAK"),
    "SM3 with a key": (Habit(check_method=SM3 + ".2"), "references", "CHECK_METHOD"),
    "digest of nobody": (Habit(check_method="ROT13"), "references", "CHECK_METHOD"),
    "backslashes": (
        Habit(location=lambda path, _: "\\" + path.replace("/", "\\")),
        "package_paths",
        "",
    ),
}
"""What has more than one meaning, or none that proves anything: the check and reason saying so."""


def made(habit: Habit, document: bytes | None = None) -> bytes:
    """The document (a page of text) sealed so, in a plain zip."""
    return pack(sign(unpack(document or plain_ofd()), habit))


def sign(files: dict[str, bytes], habit: Habit) -> dict[str, bytes]:
    """One more signature by this habit over all there is, as files."""
    here = world()
    files = _styled(files, habit) if LIST not in files else dict(files)
    value_name = f"{habit.folder}/SignedValue.dat"
    seal = _seal(habit, here)
    _list(files, habit)
    if habit.seal_file and habit.sign is None:
        files[f"{habit.folder}/Seal.esl"] = seal
    xml = _signature_xml(files, habit)
    files[f"{habit.folder}/Signature.xml"] = xml
    if habit.sign is not None:
        files[value_name] = signed_data(xml, (here.signer, here.certificate), form=habit.sign)
    else:
        files[value_name] = _ses(habit, seal, suites.digest(SM3, xml), here)
    return files


def _styled(files: Mapping[str, bytes], habit: Habit) -> dict[str, bytes]:
    """OFD.xml names the list, and every file is in the habit's namespace and head."""
    styled = dict(files)
    at = habit.location(LIST, "OFD.xml")
    styled["OFD.xml"] = styled["OFD.xml"].replace(
        b"</ofd:DocBody>", f"<ofd:Signatures>{at}</ofd:Signatures></ofd:DocBody>".encode()
    )
    return {name: _restyle(data, habit, habit.said) for name, data in styled.items()}


def _restyle(data: bytes, habit: Habit, said: str = "") -> bytes:
    text = data.decode().removeprefix(Habit().head)
    text = text.replace(NAMESPACE, habit.namespace)
    if habit.prefix != "ofd":
        with_colon = habit.prefix + ":" if habit.prefix else ""
        declared = f"xmlns:{habit.prefix}" if habit.prefix else "xmlns"
        text = text.replace("xmlns:ofd", declared)
        text = re.sub(r"<(/?)ofd:", rf"<\1{with_colon}", text)
    if habit.more + said:
        text = re.sub(r"(<[^ >]+)", rf"\1{habit.more}{said}", text, count=1)
    if habit.spaced:
        text = re.sub(r">(?=<)", ">\r\n  ", text)
    return (habit.head + text).encode()


def _list(files: dict[str, bytes], habit: Habit) -> None:
    """Signatures.xml with one more line."""
    old = files.get(LIST, b"")
    number = old.count(b"BaseLoc") + 1
    kind = "Sign" if habit.sign is not None else habit.type
    said = f' Type="{kind}"' if kind else ""
    at = habit.location(f"{habit.folder}/Signature.xml", LIST)
    line = f'<ofd:Signature ID="{number}"{said} BaseLoc="{at}"/>'
    if old:
        files[LIST] = re.sub(rb"</[^>]*Signatures>", line.encode() + rb"\g<0>", old)
        return
    last = f"<ofd:MaxSignId>{number}</ofd:MaxSignId>"
    inside = last + line if habit.last_id_first else line + last
    text = f'<ofd:Signatures xmlns:ofd="{NAMESPACE}">{inside}</ofd:Signatures>'
    files[LIST] = _restyle(text.encode(), habit)


def _signature_xml(files: Mapping[str, bytes], habit: Habit) -> bytes:
    base = f"{habit.folder}/Signature.xml"
    covered = [name for name in files if name != LIST and not name.endswith("/")]
    references = "".join(
        f'<ofd:Reference FileRef="{habit.location(name, base)}"><ofd:CheckValue>'
        f"{base64.b64encode(suites.digest(habit.digest, files[name])).decode()}"
        "</ofd:CheckValue></ofd:Reference>"
        for name in covered
    )
    method = "" if habit.check_method is None else f' CheckMethod="{habit.check_method}"'
    esl = habit.location(f"{habit.folder}/Seal.esl", base)
    seal = f"<ofd:Seal><ofd:BaseLoc>{esl}</ofd:BaseLoc></ofd:Seal>" if habit.seal_file else ""
    stamp = '<ofd:StampAnnot ID="9" PageRef="10" Boundary="140.0 220 42 42"/>'
    if habit.sign is not None:
        seal = stamp = ""
    info = (
        '<ofd:SignedInfo><ofd:Provider ProviderName="maker" Company="maker" Version="1.0"/>'
        f"<ofd:SignatureMethod>{habit.method}</ofd:SignatureMethod>"
        f"<ofd:SignatureDateTime>{habit.date_time}</ofd:SignatureDateTime>{seal}{stamp}"
        f"<ofd:References{method}>{references}</ofd:References></ofd:SignedInfo>"
    )
    at = habit.location(f"{habit.folder}/SignedValue.dat", base)
    value = f"<ofd:SignedValue>{at}</ofd:SignedValue>"
    both = value + info if habit.value_first else info + value
    text = f'<ofd:Signature xmlns:ofd="{NAMESPACE}">{both}</ofd:Signature>'
    return _restyle(text.encode(), habit, habit.said)


def _seal(habit: Habit, here: World) -> bytes:
    if habit.version == 1:
        return _old_seal()
    fields: dict[str, object] = {"valid_from": BEGIN, "valid_to": END, "created": BEGIN}
    spec = seal_spec(here.certificate, **fields, version=habit.version, **(habit.of_seal or {}))
    return make_seal(spec, maker=here.maker, maker_certificate=here.maker_certificate)


def _ses(habit: Habit, seal: bytes, data_hash: bytes, here: World) -> bytes:
    place = habit.property_info or f"/{habit.folder}/Signature.xml"
    if habit.version == 1:
        return _old_signature(seal, data_hash, place, here)
    tbs = to_be_signed(
        seal=seal,
        signed_at=SEALED_AT,
        data_hash=data_hash,
        property_info=place,
        version=habit.version,
    )
    value = here.signer.sign(tbs)
    if habit.bare:
        value = b"".join(one.integer().to_bytes(32, "big") for one in der.children(value))
    return assemble_signature(
        tbs, certificate=here.certificate, signature=value, suite_oid=suites.SM2_SM3_OID
    )


@lru_cache
def _old_seal() -> bytes:
    """A seal of GM/T 0031-2014, which nobody makes any more."""
    here = world()
    word = lambda value: der.text(der.IA5_STRING, value)  # noqa: E731
    when = [der.tlv(der.UTC_TIME, one.strftime("%y%m%d%H%M%SZ").encode()) for one in
            (BEGIN, BEGIN, END)]  # fmt: skip
    info = der.sequence(
        der.sequence(word("ES"), der.integer(1), word("MAKER")),
        word("99010100000001"),
        der.sequence(
            der.integer(1),
            der.text(der.UTF8_STRING, "示范章"),
            der.sequence(der.octets(here.certificate)),
            *when,
        ),
        der.sequence(word("PNG"), der.octets(png(size=8)), der.integer(42), der.integer(42)),
    )
    maker = [der.octets(here.maker_certificate), der.oid(suites.SM2_SM3_OID)]
    signature = here.maker.sign(der.sequence(info, *maker))
    return der.sequence(info, der.sequence(*maker, der.bits(signature)))


def _old_signature(seal: bytes, data_hash: bytes, place: str, here: World) -> bytes:
    tbs = der.sequence(
        der.integer(1),
        seal,
        der.bits(SEALED_AT.strftime("%y%m%d%H%M%SZ").encode()),
        der.bits(data_hash),
        der.text(der.IA5_STRING, place),
        der.octets(here.certificate),
        der.oid(suites.SM2_SM3_OID),
    )
    return der.sequence(tbs, der.bits(here.signer.sign(tbs)))
