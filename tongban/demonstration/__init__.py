"""The demonstration: the main job of a node, played by its users, for real."""
