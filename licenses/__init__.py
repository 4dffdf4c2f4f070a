"""Electronic licenses: types, issuing, lifecycle, presenting, verifying, and their pages."""
