"""Mappings on the database: rows, tasks, and what waits for them."""
