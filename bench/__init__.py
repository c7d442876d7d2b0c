"""Measurements on real parts; never part of a timed test."""
