"""The catalog: departments, data resources with their items, and service items."""
