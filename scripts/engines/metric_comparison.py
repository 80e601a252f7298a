"""Compare key metrics: which of two values is better."""


def lower_is_better(current: float, best: float) -> bool:
    """Return whether an error improved; for `metric_cmp_fn` of a MONAI engine."""
    return current < best
