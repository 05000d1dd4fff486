"""python -m dbviz.scan: how far a result spreads over seeds, and whether lucky seeds stay lucky."""

import sys

from dbviz.cli.scan import main

if __name__ == "__main__":
    sys.exit(main())
