"""Sessions of people who signed in: their keys, what is remembered, and who may open what."""
