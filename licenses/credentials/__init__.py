"""A license as an SD-JWT VC: the third of its bound forms (RFC 9901, draft-ietf-oauth-sd-jwt-vc).

Made in two halves, since the key that signs lives in the seal service: `Credentials.draft` says
what is signed and what can be disclosed, `Draft.bound` joins both with the signature.
"""

from licenses.credentials.making import Credentials, Draft
from licenses.credentials.reading import LicenseCredential, read_credential

__all__ = ["Credentials", "Draft", "LicenseCredential", "read_credential"]
