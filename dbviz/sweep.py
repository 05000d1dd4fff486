"""python -m dbviz.sweep: error, fragmentation, reproducibility and margins as networks widen: double descent."""

import sys

from dbviz.cli.sweep import main

if __name__ == "__main__":
    sys.exit(main())
