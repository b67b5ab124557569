"""What a deployment makes, needs and leaves: settings, images, state, quotas and rights."""
