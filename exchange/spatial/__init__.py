"""Geometry in records: its check, its index, and questions by point, box and distance."""
