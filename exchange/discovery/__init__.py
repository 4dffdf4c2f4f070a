"""What a department may use, what not and why, and how it asks; what records look like."""
