"""A parameter server: workers lease micro-batches, servers add the gradients in index order."""
