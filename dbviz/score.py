"""python -m dbviz.score: every score within and between networks, of runs or of label-map files, with intervals."""

import sys

from dbviz.cli.score import main

if __name__ == "__main__":
    sys.exit(main())
