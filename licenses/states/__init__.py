"""The states that licenses were in."""
