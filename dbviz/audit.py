"""python -m dbviz.audit: is a training the same twice; do definitions begin alike; where does the spread come from."""

import sys

from dbviz.cli.audit import main

if __name__ == "__main__":
    sys.exit(main())
