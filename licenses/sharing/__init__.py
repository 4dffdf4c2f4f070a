"""The sharing interfaces of GB/T 36906: what another department may find, fetch and verify."""
