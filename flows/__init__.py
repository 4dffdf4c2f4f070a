"""Prefect flows: thin shells over plain functions, which call the services by stubs only."""
