"""The service's side of its processes: the pool of slots, the fork server, the channel to a task."""
