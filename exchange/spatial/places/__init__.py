"""Reading places: candidates of the index, which of them a caller may see, and their pages."""
