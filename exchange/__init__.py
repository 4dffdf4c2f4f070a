"""The data exchange: catalog, grants, query, delivery and the audit log."""
