"""The relay: what a subscription sees, put into a broker's stream for those who fan out."""
