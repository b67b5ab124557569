"""What a person or a program learns of a run.

Reports follow events and results; they never steer.
"""
