"""Generated stubs: see proto/generate.py."""
