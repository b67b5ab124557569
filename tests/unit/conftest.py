"""No property test has a time limit for each example: a busy machine is no failure. And AWS's
descriptions of its services are read once for all tests of a process.
"""

from functools import cache

import botocore.loaders
import botocore.session
from hypothesis import settings

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

botocore.session.create_loader = cache(botocore.loaders.create_loader)
