"""Images of seals: drawn, or uploaded and checked."""
