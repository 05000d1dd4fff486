"""python -m dbviz.audit: is dbviz exact on this machine, does a training repeat, which randomness matters."""

import sys

from dbviz.cli.audit import main

if __name__ == "__main__":
    sys.exit(main())
