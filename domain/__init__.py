"""Words and rules of Towpath: pure values and functions, no input or output."""
