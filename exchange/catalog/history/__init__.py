"""What the catalog said then: versions, as-of reading, comparing."""
