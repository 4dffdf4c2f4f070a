"""The systems of departments, by the certificates of the node's authority."""
