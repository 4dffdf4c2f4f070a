"""Archives of licenses and cases: packages, checks, destruction."""
