"""The fault matrix: what breaks, when, and what must be true in the shop afterwards.

The name of each test begins with the number of its row, so that ``pytest -k F13`` runs a row (``-k`` ignores case).
"""
