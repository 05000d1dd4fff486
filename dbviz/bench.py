"""python -m dbviz.bench: how fast this machine samples, trains and scores, against a baseline and the bare network."""

import sys

from dbviz.cli.bench import main

if __name__ == "__main__":
    sys.exit(main())
