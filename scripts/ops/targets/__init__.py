"""Training targets from instance labels."""
