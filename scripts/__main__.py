"""`python -m scripts <verb>`: the command line."""

from scripts.tools.cli import main

if __name__ == "__main__":
    main()
