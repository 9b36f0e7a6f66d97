"""`python -m edgeattr` is `edgeattr`."""

from edgeattr.cli import main

if __name__ == "__main__":
    main()
