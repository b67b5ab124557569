"""What is installed: the pins of every environment, their audit, and bills of materials."""
