"""Experiments: grids of bundle runs over several seeds, and the table of their scores."""
