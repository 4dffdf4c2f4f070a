"""Sealing and reading OFD packages (GB/T 33190, GB/T 38540)."""
