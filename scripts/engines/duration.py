"""Format durations."""


def duration(seconds: float) -> str:
    """Return a duration with a fitting unit: `0.25 s`, `40 s`, `12 min`, `3.5 h`, `15 days`."""
    if seconds < 10:
        return f"{seconds:.2g} s"
    for limit, unit, name in ((100, 1, "s"), (6000, 60, "min"), (172800, 3600, "h")):
        if seconds < limit:
            amount = seconds / unit
            return f"{amount:.1f} {name}" if name == "h" and amount < 10 else f"{amount:.0f} {name}"
    return f"{seconds / 86400:.0f} days"
