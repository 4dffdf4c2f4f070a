"""Access requests, the grants that answer them, and what a grant allows."""
