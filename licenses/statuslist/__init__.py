"""Status lists (IETF Token Status List): which licenses are in force, for whoever is offline."""
