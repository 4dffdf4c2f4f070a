"""What is kept of departments."""
