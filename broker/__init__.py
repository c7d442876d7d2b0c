"""The engine: how messages live."""
