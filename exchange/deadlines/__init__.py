"""The statutory clock: deadlines in working days, by jurisdiction."""
