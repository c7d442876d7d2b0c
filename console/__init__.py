"""What people look at and work with: command line and web."""
