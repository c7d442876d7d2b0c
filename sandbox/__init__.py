"""Shops to try the broker against; independent of everything else here."""
