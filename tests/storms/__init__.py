"""Weather: whole servers go away, disks fill up, networks fall silent, workers die in rows, all under load."""
