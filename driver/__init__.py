"""The driver: finds services, schedules a run's tasks, and checks that the answer is complete."""
