"""Settings in SQL: what was put on accounts and channels, what counts of it, and who changed it when."""
