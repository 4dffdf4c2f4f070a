"""Pictures and scans in the object store, and which of them a license names."""
