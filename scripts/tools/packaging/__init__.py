"""The parts of `python -m scripts package`: code, configs, weights, archive, and the zoo's rules as checks."""
