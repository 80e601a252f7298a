"""Random crops, in batches, in a repeatable order."""
