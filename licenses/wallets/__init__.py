"""Wallets: licenses as holder-bound SD-JWT VCs, asked for and shown by OpenID4VP 1.0."""
