"""Keys: where they are, who opens them, and the signers that others get."""
