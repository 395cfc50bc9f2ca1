"""`python -m everycall`: the command line."""

from everycall.cli import main

if __name__ == "__main__":
    main()
