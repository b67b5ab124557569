# Names in the VPC, and everything expires.
image_tag            = "0123abce"
allowed_cidrs        = ["203.0.113.8/32"]
service_discovery    = "dns"
spot_share           = 50
log_retention_days   = 30
input_retention_days = 30
code_retention_days  = 60
run_retention_days   = 365
task_retention_days  = 90
extra_tags           = { CostCentre = "42" }
