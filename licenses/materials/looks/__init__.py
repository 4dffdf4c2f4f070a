"""Looks at a collection, which its applicant is told of: also of one without copies."""
