"""Query: reading one record under a grant, or asking only whether claims match it."""
