"""Pages about accounts: those of departments, applicants' at a counter, acts of two, one's own."""
