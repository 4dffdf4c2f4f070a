"""The roof: the `tongban` command, the all-in-one node, and the demonstration."""

__version__ = "0.1.0"
