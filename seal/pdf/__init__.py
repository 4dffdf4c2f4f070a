"""Sealing and checking PDFs (PAdES, ETSI EN 319 142)."""
