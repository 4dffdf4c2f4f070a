"""Acts that two persons do: one asks, another confirms."""
