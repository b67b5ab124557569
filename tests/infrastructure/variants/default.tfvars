# A stack as ./deploy.sh makes it on a new account.
image_tag     = "0123abcd"
allowed_cidrs = ["203.0.113.7/32"]
