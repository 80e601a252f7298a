"""Time a thing beside its peer in one run, taking turns, minimum of several: machines are noisy, ratios less so."""

import time
from collections.abc import Callable, Mapping, Sequence


def fastest_seconds(contenders: Mapping[str, Callable[[], object]], repeats: int = 5) -> dict[str, float]:
    """Seconds of the fastest call of each contender; all are warmed once, then they take turns `repeats` times."""
    for call in contenders.values():
        call()
    best = dict.fromkeys(contenders, float("inf"))
    for _ in range(repeats):
        for name, call in contenders.items():
            begin = time.perf_counter()
            call()
            best[name] = min(best[name], time.perf_counter() - begin)
    return best


def hardware() -> str:
    """One line: processor, cores, memory, threads, versions."""
    import torch

    from scripts.checkpoints import environment

    made = environment.made_with()
    return (
        f"{made['machine']}; Python {made['Python']}, torch {made['torch']} ({torch.get_num_threads()} threads), "
        f"numpy {made['numpy']}"
    )


def print_table(title: str, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a Markdown table under a heading."""
    print(f"\n## {title}\n")
    print("| " + " | ".join(header) + " |")
    print("|" + " --- |" * len(header))
    for row in rows:
        print(
            "| " + " | ".join(f"{cell:.4g}" if isinstance(cell, float) else str(cell) for cell in row) + " |",
            flush=True,
        )
