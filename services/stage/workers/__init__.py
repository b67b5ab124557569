"""The service's side of its processes: pool of slots, fork server, channel to a task."""
