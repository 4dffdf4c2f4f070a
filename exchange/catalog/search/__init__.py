"""Finding things in the catalog by words."""
