"""What GB/T 33190 asks of a signed package, asked of every package we make."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from lxml import etree

from tests.builders.ofd import unpack

SCHEMA = Path(__file__).parents[1] / "conformance" / "data" / "ofd-signatures.xsd"
NAMESPACE = "{http://www.ofdspec.org/2016}"


@cache
def _schema() -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(SCHEMA))


def departures(package: bytes, *, ours: str = "Tongban") -> list[str]:
    """What in a sealed package is not as the standard has it; foreign signatures are left out."""
    files = unpack(package)
    found: list[str] = []

    def read(name: str) -> etree._Element:
        root = etree.fromstring(files[name])
        found.extend(f"{name}: {error}" for error in [*_errors(root), *_identifiers(root)])
        return root

    root = read("OFD.xml")
    for listed in root.iter(f"{NAMESPACE}Signatures"):
        name = (listed.text or "").lstrip("/")
        lines = read(name)
        numbers = [int(n[0]) for n in map(_number, lines.iter(f"{NAMESPACE}Signature")) if n]
        top = re.findall(r"\d+$", lines.findtext(f"{NAMESPACE}MaxSignId") or "")
        if not top or int(top[0]) < max(numbers):
            found.append(f"{name}: MaxSignId is not the greatest")
        for line in lines.iter(f"{NAMESPACE}Signature"):
            path = line.get("BaseLoc", "").lstrip("/")
            provider = etree.fromstring(files[path]).find(f".//{NAMESPACE}Provider")
            if provider is None or provider.get("ProviderName") != ours:
                continue
            signature = read(path)
            own = {path, (signature.findtext(f"{NAMESPACE}SignedValue") or "").lstrip("/")}
            told = {
                one.get("FileRef", "").lstrip("/")
                for one in signature.iter(f"{NAMESPACE}Reference")
            }
            if own & told or not told <= set(files):
                found.append(f"{path}: refers to itself or to what is not there")
            if "OFD.xml" not in told:
                found.append(f"{path}: OFD.xml is not covered")
    return found


def _number(line: etree._Element) -> list[str]:
    return re.findall(r"\d+$", line.get("ID", ""))


def _errors(root: etree._Element) -> list[str]:
    schema = _schema()
    return [] if schema.validate(root) else [one.message for one in schema.error_log]


def _identifiers(root: etree._Element) -> list[str]:
    """xs:ID is one space of a file, elements' text included (which libxml2 does not look at)."""
    values = [one.get("ID", "") for one in root.iter() if one.get("ID")]
    values += [one.text or "" for one in root.iter(f"{NAMESPACE}MaxSignId")]
    return [f"{one} is twice there" for one in set(values) if values.count(one) > 1]
