"""Offline codes: a license shown as a QR code that is verified without a network."""
