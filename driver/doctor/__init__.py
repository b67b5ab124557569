"""Checks every step from this machine to a service's answer; each finding has a remedy."""

from driver.doctor.examination import examine, examine_before_deploy
from driver.doctor.finding import Finding
from driver.doctor.services import examine_services
from driver.doctor.stack import examine_stack

__all__ = ["Finding", "examine", "examine_before_deploy", "examine_services", "examine_stack"]
