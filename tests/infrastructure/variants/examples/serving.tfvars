# Model serving with a canary and every option, and without tasks.
image_tag      = "0123abcd"
allowed_cidrs  = ["203.0.113.7/32"]
model_version  = "1"
canary_version = "2"
router_count   = 0
model_count    = 0
canary_count   = 0
alarms         = true
metrics        = true
