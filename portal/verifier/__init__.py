"""Verifying without signing in (免登录核验): drop a file, and read a verdict in a second."""
