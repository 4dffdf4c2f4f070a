"""Questions of those who oversee access, from kept versions of grants and a tally of the log."""
