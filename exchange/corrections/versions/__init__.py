"""The versions of a record, as the log of changes has them."""
