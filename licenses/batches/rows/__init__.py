"""The rows of a batch, and what came of each."""
