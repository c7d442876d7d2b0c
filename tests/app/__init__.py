"""Tests of the wiring, on real processes."""
