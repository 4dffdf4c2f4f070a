"""What was erased from the salts: remembered, so that an answer says what it lacks."""
