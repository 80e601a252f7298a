"""The verbs of `python -m scripts <verb>`; nothing imports this room."""
