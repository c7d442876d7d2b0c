"""Erasing personal data from all tables that hold them."""
