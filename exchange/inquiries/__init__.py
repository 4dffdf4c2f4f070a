"""Inquiries (函询): one department asks another in writing, and is owed an answer."""
