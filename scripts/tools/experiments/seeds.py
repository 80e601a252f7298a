"""The seeds of an experiment, from the text of `--seeds`."""

LARGEST_SEED = 2**32 - 1


def seed_list(text: str) -> tuple[int, ...]:
    """Seeds of `3` (0, 1 and 2), of a list such as `0,3,4`, or of `4,` (4 alone).

    Raises:
        ValueError: another text, no seed, one above 2**32 - 1, or one that is given twice.
    """
    bracketed = text.strip().startswith("[") and text.strip().endswith("]")
    words = [word.strip() for word in (text.strip()[1:-1] if bracketed else text).split(",")]
    listed = bracketed or len(words) > 1
    words = words[:-1] if len(words) > 1 and not words[-1] else words
    if not all(word.isascii() and word.isdigit() and int(word) <= LARGEST_SEED for word in words):
        raise ValueError(f"--seeds '{text}' is neither a number of seeds, such as 3, nor a list of them, such as 0,3,4")
    seeds = tuple(map(int, words))
    if listed:
        twice = [seed for k, seed in enumerate(seeds) if seed in seeds[:k]]
        if twice:
            raise ValueError(f"--seeds {text}: seed {twice[0]} is given twice; name each once")
        return seeds
    if not 1 <= seeds[0] <= 1000:
        raise ValueError(f"--seeds {text} is not a number of seeds from 1 to 1000; a list of one seed is written 4,")
    return tuple(range(seeds[0]))
