"""How servers and workers talk: the protocol, its numbers, and who may call."""
