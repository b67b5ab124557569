"""What will be done: inputs, splits, tasks, configuration; and the events that say what happens."""
