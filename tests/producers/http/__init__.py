"""Tests of the HTTP door on a real server and a real database."""
