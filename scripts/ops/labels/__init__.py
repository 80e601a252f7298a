"""Instance labels: components, checks, cleanup."""
