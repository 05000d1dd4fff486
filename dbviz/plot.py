"""python -m dbviz.plot: decision regions of several networks under several seeds on one plane."""

import sys

from dbviz.cli.plot import main

if __name__ == "__main__":
    sys.exit(main())
