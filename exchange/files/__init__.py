"""Files: what a grant shows, written in bulk and encrypted for its receiver."""
