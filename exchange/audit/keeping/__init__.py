"""What of the log is kept for how long: salts and old checkpoints."""
