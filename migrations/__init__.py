"""Alembic's scripts, the only way the schema comes to be."""
