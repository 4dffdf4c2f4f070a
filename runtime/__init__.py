"""The ground every service stands on: it knows nothing of catalogs, seals or licenses."""
