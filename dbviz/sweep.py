"""python -m dbviz.sweep: error, fragmentation and reproducibility as networks widen: double descent."""

import sys

from dbviz.cli.sweep import main

if __name__ == "__main__":
    sys.exit(main())
