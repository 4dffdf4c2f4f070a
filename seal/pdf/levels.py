"""Long-term proof in a PDF (ETSI EN 319 142-1 §5.4, §6): the document's own store, and its stamp.

1. B_LT: certificates and revocation lists go into the document security store, by an update after
   the signature. Where they come from is the caller's business; nothing is fetched.
2. B_LTA: one more update signs all of that by a document time-stamp. It is the same update that
   brings the store, so nothing after the signature is left uncovered.
"""

# asn1crypto and the PDF library publish no types.
# mypy: disable-error-code=no-untyped-call

from __future__ import annotations

import re
from collections.abc import Generator, Sequence
from io import BytesIO
from typing import Any, Final

from asn1crypto import crl, x509
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign import fields
from pyhanko.sign.signers.cms_embedder import PdfCMSEmbedder, SigIOSetup, SigObjSetup
from pyhanko.sign.signers.pdf_byterange import DocumentTimestamp
from pyhanko.sign.validation.dss import DocumentSecurityStore

from seal.pdf.signing import Level, PdfSealing, check_lists
from seal.pdf.update import TOKEN_ROOM, SealWriter
from seal.pki.timestamp import Timestamper, read_token
from seal.pki.timestamp_token import not_good

_FIELD: Final = "Timestamp"


def prolong(sealed: BytesIO, wish: PdfSealing) -> BytesIO:
    """The sealed PDF with its evidence and, for B_LTA, a document time-stamp.

    Raises FailedPrecondition (`REVOCATION_LISTS_MISSING`) where the time-stamp's chain has none,
    and what the time-stamper raises.
    """
    if wish.timestamper is None:
        raise AssertionError("long-term proof was refused without a time-stamp authority")
    reader = PdfFileReader(sealed)
    tokens = _tokens(reader)
    certificates = (wish.certificate, *wish.chain, *wish.evidence.certificates, *tokens)
    check_lists(tokens, wish.evidence.crls)
    writer: Any = SealWriter.from_reader(reader)
    DocumentSecurityStore.supply_dss_in_writer(
        writer,
        None,
        certs=[x509.Certificate.load(one) for one in dict.fromkeys(certificates)],
        crls=[crl.CertificateList.load(one) for one in wish.evidence.crls],
    )
    if wish.level is Level.B_LTA:
        return _stamped(writer, wish.timestamper, _names(reader))
    output = BytesIO()
    writer.write(output)
    return output


def _tokens(reader: PdfFileReader) -> Sequence[bytes]:
    """The certificates that the last signature's time-stamp brings along."""
    last = reader.embedded_regular_signatures[-1]
    for attribute in last.signer_info["unsigned_attrs"]:
        if attribute["type"].native == "signature_time_stamp_token":
            return read_token(attribute["values"][0].dump()).certificates
    raise AssertionError("the signature was time-stamped")


def _names(reader: PdfFileReader) -> str:
    return " ".join(str(name) for name, _, _ in fields.enumerate_sig_fields(reader))


def _stamped(writer: Any, timestamper: Timestamper, names: str) -> BytesIO:
    """The update signed by the authority (ISO 32000-2 §12.8.5), in a field nobody sees."""
    used = [int(n) for n in re.findall(rf"\b{_FIELD}(\d{{1,6}})\b", names)]
    name = f"{_FIELD}{max(used, default=0) + 1}"
    spec = fields.SigFieldSpec(name)
    embedding: Generator[Any, Any, None] = PdfCMSEmbedder(spec).write_cms(name, writer)
    next(embedding)
    embedding.send(SigObjSetup(sig_placeholder=DocumentTimestamp(bytes_reserved=2 * TOKEN_ROOM)))
    output = BytesIO()
    prepared, _ = embedding.send(SigIOSetup(md_algorithm=timestamper.digest, output=output))
    token = timestamper.stamp_digest(prepared.document_digest)
    if len(token) > TOKEN_ROOM:
        raise not_good("it is larger than a PDF has room for", "时间戳过大")
    embedding.send(token)
    return output
