locals {
  system = "MapReduce"

  # These tags identify everything that belongs to one stack, and its system. They are merged last,
  # so that extra_tags cannot override them.
  tags = merge(var.extra_tags, {
    Project   = "mapreduce-on-fargate"
    Stack     = var.name
    System    = "mapreduce"
    ManagedBy = "terraform"
  })

  # Either the stack's own network or an existing one, with the same outputs.
  network = one(concat(module.network[*], module.existing_network[*]))

  # Cloud Map unless a course's role serves: such accounts may not use it, and the driver does not
  # need it.
  service_discovery = coalesce(var.service_discovery, var.existing_role_name == null ? "api" : "none")
}

locals {
  # A stopped stack has nothing to guard; a run that starts it starts the guard too.
  guard_count = sum([for service in local.services : service.desired_count]) > 0 ? 1 : 0

  # A digest names one image for ever; a tag only as long as the registry keeps it immutable.
  images = {
    for role, url in module.registry.repository_urls : role => (
      contains(keys(var.image_digests), role) ? "${url}@${var.image_digests[role]}" : "${url}:${var.image_tag}"
    )
  }
}

module "network" {
  source = "./modules/network"
  count  = var.vpc_id == null ? 1 : 0

  name     = var.name
  vpc_cidr = var.vpc_cidr
}

module "existing_network" {
  source = "./modules/existing_network"
  count  = var.vpc_id == null ? 0 : 1

  vpc_id     = var.vpc_id
  subnet_ids = var.subnet_ids
}

module "registry" {
  source = "./modules/registry"

  name  = var.name
  roles = concat(keys(local.services), ["guard", "driver"])
}

module "storage" {
  source = "./modules/storage"

  name           = var.name
  retention_days = local.retention_days
}

module "signing_key" {
  source = "./modules/signing_key"

  providers = {
    aws = aws.signing_key
  }

  name        = var.name
  description = "HS256 key with which the MapReduce driver signs its calls to the services."
}

module "cluster" {
  source = "./modules/cluster"

  name              = var.name
  system            = local.system
  service_discovery = local.service_discovery
  vpc_id            = local.network.vpc_id
  repository_arns   = values(module.registry.repository_arns)
  secrets           = { SigningKey = module.signing_key.parameter_arn }

  existing_role_name       = var.existing_role_name
  role_path                = var.role_path
  permissions_boundary_arn = var.permissions_boundary_arn
}

module "service" {
  source   = "./modules/service"
  for_each = local.services

  name   = var.name
  role   = each.key
  system = local.system

  image                 = local.images[each.key]
  architecture          = var.architecture
  desired_count         = each.value.desired_count
  cpu                   = each.value.cpu
  memory                = each.value.memory
  ephemeral_storage_gib = var.ephemeral_storage_gib
  spot_share            = each.value.spot_share
  environment           = local.environments[each.key]
  secrets               = { MAPREDUCE_SIGNING_KEY = module.signing_key.parameter_arn }
  log_retention_days    = var.log_retention_days

  port          = 8080
  port_variable = "MAPREDUCE_PORT"
  health_check  = { command = ["CMD", "python", "-m", "services.healthcheck"] }
  scratch_path  = local.scratch_path

  # Fargate's maximum, and Spot's notice: time for running tasks to finish or report.
  stop_timeout_s = 120

  # A deploy replaces tasks instead of doubling them: two versions never work on one job, and a
  # small account's quota suffices. A run in progress retries the interrupted tasks.
  deployment_percent = { minimum = 0, maximum = 100 }

  vpc_id           = local.network.vpc_id
  vpc_cidrs        = local.network.vpc_cidrs
  subnet_ids       = local.network.subnet_ids
  assign_public_ip = var.assign_public_ip
  allowed_cidrs    = var.allowed_cidrs
  client           = "A driver"

  bucket = module.storage.bucket
  access = local.access[each.key]

  cluster_arn             = module.cluster.cluster_arn
  service_discovery       = local.service_discovery
  namespace_id            = module.cluster.namespace_id
  log_group_prefix        = module.cluster.log_group_prefix
  execution_role_arn      = module.cluster.execution_role_arn
  existing_role_arn       = module.cluster.existing_role_arn
  task_assume_role_policy = module.cluster.task_assume_role_policy

  role_path                = var.role_path
  permissions_boundary_arn = var.permissions_boundary_arn
}

module "guard" {
  source = "./modules/guard"
  count  = var.idle_stop_minutes > 0 ? 1 : 0

  name              = var.name
  service_names     = [for role in keys(local.services) : module.service[role].service_name]
  idle_stop_minutes = var.idle_stop_minutes
  desired_count     = local.guard_count

  image              = local.images["guard"]
  architecture       = var.architecture
  extra_environment  = var.extra_environment
  log_retention_days = var.log_retention_days

  vpc_id           = local.network.vpc_id
  subnet_ids       = local.network.subnet_ids
  assign_public_ip = var.assign_public_ip
  bucket           = module.storage.bucket

  cluster_arn             = module.cluster.cluster_arn
  cluster_name            = module.cluster.cluster_name
  log_group_prefix        = module.cluster.log_group_prefix
  execution_role_arn      = module.cluster.execution_role_arn
  existing_role_arn       = module.cluster.existing_role_arn
  task_assume_role_policy = module.cluster.task_assume_role_policy

  role_path                = var.role_path
  permissions_boundary_arn = var.permissions_boundary_arn
}

# --- Options, all off by default ------------------------------------------------------------------

module "budget" {
  source = "./modules/budget"
  count  = var.monthly_budget_usd == null ? 0 : 1

  name        = var.name
  monthly_usd = var.monthly_budget_usd
  email       = var.budget_email
}

module "nightly_stop" {
  source = "./modules/nightly_stop"
  count  = var.nightly_stop == null ? 0 : 1

  name         = var.name
  system       = local.system
  cluster_name = module.cluster.cluster_name
  service_arns = { for service in module.service : service.service_name => service.service_arn }
  schedule     = var.nightly_stop
  timezone     = var.nightly_stop_timezone

  role_path                = var.role_path
  permissions_boundary_arn = var.permissions_boundary_arn
}

module "monitoring" {
  source = "./modules/monitoring"
  count  = var.alarms || var.dashboard ? 1 : 0

  name          = var.name
  system        = local.system
  where_to_look = "python -m driver logs"
  cluster_name  = module.cluster.cluster_name
  services      = { for role, service in module.service : role => { service_name = service.service_name, log_group = service.log_group } }
  alarms        = var.alarms
  topic_arn     = var.alarm_topic_arn
  dashboard     = var.dashboard
}

# --- Warnings -------------------------------------------------------------------------------------

# A warning, not an error: the address may be set later than the stack.
check "the_driver_can_reach_the_services" {
  assert {
    condition     = var.driver || var.address_kind == "private" || length(var.allowed_cidrs) > 0
    error_message = "No driver can call the services: set allowed_cidrs to your address as a /32, address_kind to private if the driver runs in a network that reaches the VPC, or driver to true for one in AWS."
  }
}
