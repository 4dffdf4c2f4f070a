"""The audit log: appending, sequencing, proving and verifying."""
