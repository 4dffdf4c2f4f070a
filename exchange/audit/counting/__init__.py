"""Whether the counts of grants' quotas hold what the log says was taken."""
