"""python -m dbviz.train: networks trained and kept, without a picture."""

import sys

from dbviz.cli.train import main

if __name__ == "__main__":
    sys.exit(main())
