"""python -m dbviz.score: how reproducible and how fragmented networks are, with intervals."""

import sys

from dbviz.cli.score import main

if __name__ == "__main__":
    sys.exit(main())
