"""The soak: load without pause, processes killed without pause, and at the end an account of every event."""
