"""Lists of the licenses that a department issued."""
