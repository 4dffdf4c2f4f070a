"""The roof: the `tongban` command, the all-in-one node, and the demonstration."""
