# The album service with its one option, and without tasks.
image_tag     = "0123abcd"
allowed_cidrs = ["203.0.113.7/32"]
album_count   = 0
load_balancer = true
