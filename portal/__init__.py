"""The portal (门户): web pages for applicants, administrators, auditors and data officers.

It holds nothing and decides nothing: every page asks the services by their gRPC stubs.
"""
