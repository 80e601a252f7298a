"""Words of the command line as typed arguments of a verb."""
