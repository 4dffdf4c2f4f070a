"""What the owner of an account sees of it, and does with it."""
