"""Quality of what is published, measured of what is held."""
