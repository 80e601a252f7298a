"""The verbs of `python -m scripts <verb>`; no other package imports them."""
