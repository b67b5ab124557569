"""What the router decides, as functions of values: time and chance are arguments too."""
