"""Long records in brief: as much of them as a row filter looks at."""
