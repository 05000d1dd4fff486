"""python -m dbviz.train: trains networks and keeps them, without a figure."""

import sys

from dbviz.cli.train import main

if __name__ == "__main__":
    sys.exit(main())
