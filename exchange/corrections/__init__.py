"""Corrections (校核异议): a record is doubted, and all who got a wrong one are told."""
