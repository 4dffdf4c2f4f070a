"""What a verification asks and says: the checks, their words, what holds today."""
