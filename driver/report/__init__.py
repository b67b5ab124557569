"""What a person, or a program, is told of a run. Reports follow events and results; they never steer."""
