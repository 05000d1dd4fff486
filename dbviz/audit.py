"""python -m dbviz.audit: does a training repeat, do two definitions start alike, which source of randomness matters."""

import sys

from dbviz.cli.audit import main

if __name__ == "__main__":
    sys.exit(main())
