"""The data officer's pages: what of a department's data is stale, doubted, asked or undelivered."""
