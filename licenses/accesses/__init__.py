"""Who used a license for what."""
