"""`python -m services.guard`: watch the leases, and stop the fleet when none is left."""

import sys

from services.guard.watch import main

if __name__ == "__main__":
    sys.exit(main())
