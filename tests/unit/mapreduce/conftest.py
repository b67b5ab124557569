"""Settings of the tests of `mapreduce`: hypothesis has no deadlines, so that a busy machine fails
no test.
"""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile("project", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("project")
