# The driver that runs in AWS: what it may do, what it knows of the stack, and whom it may call.

locals {
  # The statements of a run, as policies/runner.json has them: a driver needs them wherever it runs.
  # It calls private addresses and starts no driver, so it gets no others.
  run_statements = [
    "Objects", "Bucket", "Services", "ListTasks", "Discovery", "SigningKey", "Logs",
  ]
  run_policy = jsondecode(replace(replace(replace(replace(
    file("${path.module}/policies/runner.json"),
    "arn:aws:", "arn:${data.aws_partition.current.partition}:"),
    "{name}", var.name),
    "{account}", data.aws_caller_identity.current.account_id),
    "{region}", var.region,
  ))
  driver_statements = [
    for statement in local.run_policy.Statement : statement if contains(local.run_statements, statement.Sid)
  ]

  # MAPREDUCE_STACK: the outputs as driver/cloud/stack.py reads them, without those about the driver
  # itself, which would name their own task definition. A test on each side pins the names. The
  # driver is inside, so it calls private addresses, and no range outside matters to it: a change of
  # allowed_cidrs (stack allow) replaces no task definition.
  driver_stack = {
    region                = var.region
    name                  = var.name
    system                = local.tags.System
    bucket                = module.storage.bucket
    extra_input_buckets   = var.extra_input_buckets
    extra_kms_key_arns    = var.extra_kms_key_arns
    cluster               = module.cluster.cluster_name
    service_discovery     = local.service_discovery
    namespace             = module.cluster.namespace_name
    allowed_cidrs         = []
    address_kind          = "private"
    assign_public_ip      = var.assign_public_ip
    architecture          = var.architecture
    spot_share            = var.spot_share
    signing_key_parameter = module.signing_key.parameter_name
    repository_urls       = module.registry.repository_urls
    image_tag             = var.image_tag
    alarms                = var.alarms
    dashboard             = var.dashboard
    services              = local.described_services
    idle_stop_minutes     = var.idle_stop_minutes
    guard                 = local.described_guard
  }
}

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

module "driver" {
  source = "./modules/driver"
  count  = var.driver ? 1 : 0

  name  = var.name
  stack = local.driver_stack

  image              = local.images["driver"]
  architecture       = var.architecture
  extra_environment  = var.extra_environment
  log_retention_days = var.log_retention_days

  statements          = local.driver_statements
  extra_input_buckets = var.extra_input_buckets
  extra_kms_key_arns  = var.extra_kms_key_arns

  vpc_id         = local.network.vpc_id
  bucket         = module.storage.bucket
  repository_arn = module.registry.repository_arns["driver"]

  log_group_prefix        = module.cluster.log_group_prefix
  existing_role_arn       = module.cluster.existing_role_arn
  task_assume_role_policy = module.cluster.task_assume_role_policy

  role_path                = var.role_path
  permissions_boundary_arn = var.permissions_boundary_arn
}

# Rules between two groups belong to neither module.
resource "aws_vpc_security_group_ingress_rule" "driver" {
  for_each = var.driver ? module.service : {}

  security_group_id            = each.value.security_group_id
  description                  = "Drivers of this stack in AWS"
  referenced_security_group_id = module.driver[0].security_group_id
  ip_protocol                  = "tcp"
  from_port                    = each.value.port
  to_port                      = each.value.port
}

resource "aws_vpc_security_group_egress_rule" "driver" {
  for_each = var.driver ? module.service : {}

  security_group_id            = module.driver[0].security_group_id
  description                  = "Calls to the ${each.key} tasks"
  referenced_security_group_id = each.value.security_group_id
  ip_protocol                  = "tcp"
  from_port                    = each.value.port
  to_port                      = each.value.port
}

# Where the account allows no role, a lost run is gone on with by hand.
module "driver_retry" {
  source = "./modules/driver_retry"
  count  = var.driver && var.existing_role_name == null ? 1 : 0

  name = var.name

  family_arn        = module.driver[0].family_arn
  container_name    = module.driver[0].container_name
  role_arns         = module.driver[0].role_arns
  security_group_id = module.driver[0].security_group_id

  subnet_ids       = local.network.subnet_ids
  assign_public_ip = var.assign_public_ip
  cluster_arn      = module.cluster.cluster_arn

  role_path                = var.role_path
  permissions_boundary_arn = var.permissions_boundary_arn
}

# --- Options, off by default ----------------------------------------------------------------------

module "end_notice" {
  source = "./modules/end_notice"
  count  = var.end_notice == null ? 0 : 1

  name        = var.name
  recipient   = var.end_notice
  cluster_arn = module.cluster.cluster_arn
  family_arn  = module.driver[0].family_arn
}

module "schedule" {
  source = "./modules/schedule"
  count  = length(var.schedules) > 0 ? 1 : 0

  name      = var.name
  schedules = var.schedules

  family_arn        = module.driver[0].family_arn
  container_name    = module.driver[0].container_name
  role_arns         = module.driver[0].role_arns
  security_group_id = module.driver[0].security_group_id

  subnet_ids       = local.network.subnet_ids
  assign_public_ip = var.assign_public_ip
  cluster_arn      = module.cluster.cluster_arn

  role_path                = var.role_path
  permissions_boundary_arn = var.permissions_boundary_arn
}
