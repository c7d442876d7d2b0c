"""Tests of the Bright Sites shop."""
