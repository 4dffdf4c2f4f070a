"""License types (证照类型): versioned data, no code."""
