"""Single uses of a grant, read back from the log and its index of accesses, within bounds."""
