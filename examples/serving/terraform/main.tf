# Model serving: a router that anyone in allowed_cidrs may call, and model tasks that only the router
# may call. This file only composes the modules; services.tf says what the services are.

locals {
  system = "Serving"

  tags = {
    Project   = "mapreduce-on-fargate"
    Stack     = var.name
    System    = "serving"
    ManagedBy = "terraform"
  }

  # A digest names one image for ever; a tag only as long as the registry keeps it immutable.
  images = {
    for role, url in module.registry.repository_urls : role => (
      contains(keys(var.image_digests), role) ? "${url}@${var.image_digests[role]}" : "${url}:${var.image_tag}"
    )
  }
}

module "network" {
  source = "../../../terraform/modules/network"

  name     = var.name
  vpc_cidr = "10.0.0.0/16"
}

module "registry" {
  source = "../../../terraform/modules/registry"

  name  = var.name
  roles = ["router", "model"]
}

module "storage" {
  source = "../../../terraform/modules/storage"

  name = var.name
}

module "signing_key" {
  source = "../../../terraform/modules/signing_key"

  providers = {
    aws = aws.signing_key
  }

  name        = var.name
  description = "HS256 key with which the router signs its calls to the model tasks."
}

# Cloud Map by its API: DNS would name eight tasks at most.
module "cluster" {
  source = "../../../terraform/modules/cluster"

  name              = var.name
  system            = local.system
  service_discovery = "api"
  vpc_id            = module.network.vpc_id
  repository_arns   = values(module.registry.repository_arns)
  secrets           = { SigningKey = module.signing_key.parameter_arn }

  existing_role_name = var.existing_role_name
}

module "service" {
  source   = "../../../terraform/modules/service"
  for_each = local.services

  name   = var.name
  role   = each.key
  system = local.system

  image               = local.images[each.value.image]
  architecture        = var.architecture
  desired_count       = each.value.desired_count
  cpu                 = each.value.cpu
  memory              = each.value.memory
  containers_per_task = each.value.containers
  environment         = merge(each.value.environment, var.extra_environment)
  secrets             = { "${each.value.prefix}_SIGNING_KEY" = module.signing_key.parameter_arn }
  log_retention_days  = var.log_retention_days

  port          = each.value.port
  port_variable = "${each.value.prefix}_PORT"
  health_check  = { command = ["CMD", "python", "-m", "services.healthcheck", each.value.prefix] }

  # Requests in flight get 20 or 30 s; then what is left has failed anyway.
  stop_timeout_s = 40

  # New tasks first, then the old ones go: a request always finds a container.
  deployment_percent = { minimum = 100, maximum = 200 }

  vpc_id        = module.network.vpc_id
  vpc_cidrs     = each.value.is_public ? module.network.vpc_cidrs : []
  subnet_ids    = module.network.subnet_ids
  allowed_cidrs = each.value.is_public ? var.allowed_cidrs : []
  client        = "A caller of the model"

  bucket     = module.storage.bucket
  access     = each.value.access
  statements = each.value.statements

  cluster_arn             = module.cluster.cluster_arn
  service_discovery       = each.value.is_public ? "none" : "api"
  namespace_id            = module.cluster.namespace_id
  log_group_prefix        = module.cluster.log_group_prefix
  execution_role_arn      = module.cluster.execution_role_arn
  existing_role_arn       = module.cluster.existing_role_arn
  task_assume_role_policy = module.cluster.task_assume_role_policy
}

# --- The router calls the model tasks, and nothing else does --------------------------------------

resource "aws_vpc_security_group_egress_rule" "router" {
  for_each = local.called

  security_group_id            = module.service["router"].security_group_id
  description                  = "Containers of the ${each.key} tasks"
  referenced_security_group_id = module.service[each.key].security_group_id
  ip_protocol                  = "tcp"
  from_port                    = local.first_port
  to_port                      = local.last_port
}

resource "aws_vpc_security_group_ingress_rule" "model" {
  for_each = local.called

  security_group_id            = module.service[each.key].security_group_id
  description                  = "The router"
  referenced_security_group_id = module.service["router"].security_group_id
  ip_protocol                  = "tcp"
  from_port                    = local.first_port
  to_port                      = local.last_port
}

# --- Options, all off by default ------------------------------------------------------------------

module "monitoring" {
  source = "../../../terraform/modules/monitoring"
  count  = var.alarms ? 1 : 0

  name         = var.name
  system       = local.system
  cluster_name = module.cluster.cluster_name
  services     = { for role, service in module.service : role => { service_name = service.service_name, log_group = service.log_group } }
  alarms       = true
  dashboard    = false
}

# --- Warnings -------------------------------------------------------------------------------------

# A warning, not an error: the address may be set later than the stack.
check "someone_can_call_the_router" {
  assert {
    condition     = length(var.allowed_cidrs) > 0
    error_message = "No caller outside the VPC can reach the router: set allowed_cidrs to your address as a /32."
  }
}
