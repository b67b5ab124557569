"""The driver's scheduler and pipeline in virtual time, in a world that one seed determines."""
