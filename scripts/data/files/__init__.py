"""Files that the project writes, and their readers."""
