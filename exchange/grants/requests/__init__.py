"""What is kept of access requests."""
