"""What the tests of `mapreduce` share: hypothesis without deadlines, as a busy machine must not
fail a test.
"""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile("house", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("house")
