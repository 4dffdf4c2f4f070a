"""Verifying a license however it comes: a code, a QR code, a file, or an identifier with fields."""
