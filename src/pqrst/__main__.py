"""`python -m pqrst` is `pqrst`."""

import sys

from pqrst.cli import main

sys.exit(main())
