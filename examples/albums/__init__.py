"""The album service: three albums that every task knows, and those that clients add, in the store.

Knows nothing of MapReduce. It is the smallest service on the Terraform modules and the service
shell.
"""
