"""The administrator's pages: requests and their clock, the catalog, accounts."""
