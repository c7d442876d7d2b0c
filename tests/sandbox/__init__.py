"""Tests of the sandbox shops."""
