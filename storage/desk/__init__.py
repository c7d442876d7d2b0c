"""The desk in SQL: what people look up and change."""
