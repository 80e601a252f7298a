"""Parse switches of a command line: python-fire reads `true` as text, and Python takes any text as true."""


def switch(value: bool | str, name: str = "switch") -> bool:
    """Return true or false, given as such or as a word.

    Raises:
        ValueError: anything else.
    """
    if isinstance(value, bool):
        return value
    words = {"true": True, "false": False}
    if not isinstance(value, str) or value.lower() not in words:
        raise ValueError(f"{name} is {value!r}; write --{name} true or --{name} false")
    return words[value.lower()]
