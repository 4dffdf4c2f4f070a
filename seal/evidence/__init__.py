"""Evidence bundles: a document with all it takes to verify it years later, in one file."""
