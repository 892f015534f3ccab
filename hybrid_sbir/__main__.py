"""``python -m hybrid_sbir``: the command line."""

from hybrid_sbir.cli import main

if __name__ == "__main__":
    main()
