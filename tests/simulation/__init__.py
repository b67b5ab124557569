"""The driver's scheduler and pipeline in virtual time, against a world that one seed draws."""
