"""Experiments: grids of bundle runs over several seeds, run one after the other, and the table of their scores."""
