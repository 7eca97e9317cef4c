"""python -m lossforge: the command line."""

from lossforge.cli.main import main

if __name__ == "__main__":
    main()
