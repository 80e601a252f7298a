"""What to do with grey values that are NaN or infinite."""

REFUSE, ZERO, SKIP = "refuse", "zero", "skip"
CHOICES = (REFUSE, ZERO, SKIP)
"""Stop with the position; replace by 0, the middle of the scaled range; draw another crop."""


class NonFiniteError(ValueError):
    """Grey values that are NaN or infinite."""


def checked_choice(nonfinite: str) -> str:
    """Return the choice.

    Raises:
        ValueError: another one.
    """
    if nonfinite not in CHOICES:
        raise ValueError(f"nonfinite '{nonfinite}' is not one of {', '.join(CHOICES)}")
    return nonfinite
