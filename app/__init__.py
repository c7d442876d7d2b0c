"""Settings, wiring and process entry."""
