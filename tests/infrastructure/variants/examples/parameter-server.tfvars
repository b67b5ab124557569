# The parameter server with two servers and every option, and without tasks.
image_tag     = "0123abcd"
allowed_cidrs = ["203.0.113.7/32"]
server_count  = 2
stopped       = true
spot_share    = 50
dashboard     = true
