"""The auditor's pages: the log, its witnesses, and the life and uses of seals."""
