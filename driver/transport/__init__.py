"""How a task's message reaches a service, and how its answer is checked."""
