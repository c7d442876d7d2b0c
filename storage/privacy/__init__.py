"""Erasing personal data from all tables that hold them."""

from storage.privacy.eraser import SqlEraser

__all__ = ["SqlEraser"]
