# The album service: one ECS service on the modules that MapReduce uses. What only this system knows
# is here; the modules know no system.

locals {
  system = "Albums"

  tags = {
    Project   = "mapreduce-on-fargate"
    System    = "albums"
    Stack     = var.name
    ManagedBy = "terraform"
  }

  # The smallest task of Fargate: a quarter of a vCPU and half a GiB.
  cpu    = 256
  memory = 512
  port   = 8080

  # A digest names one image for ever; a tag only as long as the registry keeps it immutable.
  repository = module.registry.repository_urls["albums"]
  digest     = lookup(var.image_digests, "albums", null)
  image      = local.digest == null ? "${local.repository}:${var.image_tag}" : "${local.repository}@${local.digest}"

  # The names of examples/albums/settings.py. Plain HTTP: albums are public, and curl has no
  # certificate of the service.
  environment = merge(
    {
      ALBUMS_ALLOW_PLAIN_HTTP = "true"
      ALBUMS_HOST             = "0.0.0.0"
      ALBUMS_IMAGE_TAG        = coalesce(local.digest, var.image_tag)
      ALBUMS_STORE            = "s3://${module.storage.bucket}"
    },
    var.extra_environment,
  )
}

module "network" {
  source = "../../../terraform/modules/network"

  name     = var.name
  vpc_cidr = "10.21.0.0/24"
}

module "registry" {
  source = "../../../terraform/modules/registry"

  name  = var.name
  roles = ["albums"]
}

# The added albums, until the stack is destroyed.
module "storage" {
  source = "../../../terraform/modules/storage"

  name = var.name
}

module "cluster" {
  source = "../../../terraform/modules/cluster"

  name               = var.name
  system             = local.system
  service_discovery  = "none"
  vpc_id             = module.network.vpc_id
  repository_arns    = values(module.registry.repository_arns)
  existing_role_name = var.existing_role_name
}

module "load_balancer" {
  source = "../../../terraform/modules/load_balancer"
  count  = var.load_balancer ? 1 : 0

  name          = var.name
  system        = local.system
  vpc_id        = module.network.vpc_id
  vpc_cidrs     = module.network.vpc_cidrs
  subnet_ids    = module.network.subnet_ids
  allowed_cidrs = var.allowed_cidrs
  target_port   = local.port
  health_path   = "/health"
}

module "albums" {
  source = "../../../terraform/modules/service"

  name   = var.name
  role   = "albums"
  system = local.system
  client = "A client"

  image         = local.image
  architecture  = var.architecture
  desired_count = var.album_count
  cpu           = local.cpu
  memory        = local.memory

  environment   = local.environment
  port          = local.port
  port_variable = "ALBUMS_PORT"
  health_check  = { command = ["CMD", "python", "-m", "services.healthcheck", "ALBUMS"] }

  # A new task answers before the one that it replaces stops, so that clients always find one.
  deployment_percent = { minimum = 100, maximum = 200 }
  # The service lingers for 5 s and drains for 20 at most.
  stop_timeout_s     = 30
  log_retention_days = 14

  vpc_id            = module.network.vpc_id
  vpc_cidrs         = module.network.vpc_cidrs
  subnet_ids        = module.network.subnet_ids
  allowed_cidrs     = var.allowed_cidrs
  target_group_arns = module.load_balancer[*].target_group_arn

  bucket = module.storage.bucket
  access = { reads = ["albums"], writes = ["albums/*.json"] }

  cluster_arn             = module.cluster.cluster_arn
  log_group_prefix        = module.cluster.log_group_prefix
  execution_role_arn      = module.cluster.execution_role_arn
  existing_role_arn       = module.cluster.existing_role_arn
  task_assume_role_policy = module.cluster.task_assume_role_policy
}

# A warning, not an error: the address may be set later than the stack.
check "a_client_can_reach_the_service" {
  assert {
    condition     = length(var.allowed_cidrs) > 0
    error_message = "No client outside the VPC can call the service: set allowed_cidrs to your address as a /32."
  }
}
