"""The parts of `python -m scripts report`: reading runs, pictures of them, and the page they are put on."""
