"""The same unit of work without Towpath: on task libraries, and on bare libraries."""
