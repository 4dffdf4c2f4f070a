"""Electronic seals: making, signing, verifying, trust and key custody.

- `suites`  what may sign: SM2 with SM3 (the national algorithms) and ECDSA P-256;
- `keys`    encrypted key files and the `Signer` that is all the rest ever sees of a key;
- `certificates`  X.509 certificates and revocation lists; `trust` the check of a chain of them;
- `ses`     the seal (SESeal) and the signature (SES_Signature) of GB/T 38540;
- `image`   the pictures of official seals, drawn from glyph outlines, or uploaded and checked;
- `der`, `der_form`, `libcrypto`  the reader, what departs from DER by name, and OpenSSL's SM2.
"""
