"""A parameter server: workers lease micro-batches, servers add their gradients up in index order."""
