# The parameter server: one ECS service for each server, because a Fargate task has no number of its
# own and each server owns a range of the parameters; and one service of all workers. What only this
# system knows is here; the modules know no system.

data "aws_partition" "current" {}

locals {
  system = "Parameter server"

  tags = {
    Project   = "mapreduce-on-fargate"
    System    = "parameter-server"
    Stack     = var.name
    ManagedBy = "terraform"
  }

  image_role = "parameter-server"

  # parameter-server, parameter-server-1, ...: the name of a server's service, and its host name.
  servers = {
    for shard in range(var.server_count) :
    shard == 0 ? "parameter-server" : "parameter-server-${shard}" => shard
  }

  port      = 8000
  namespace = "${var.name}.local"

  # Server 0 first: it leases the micro-batches.
  address = join(",", [
    for shard in range(var.server_count) :
    "${shard == 0 ? "parameter-server" : "parameter-server-${shard}"}.${local.namespace}:${local.port}"
  ])

  # A digest names one image for ever; a tag only as long as the registry keeps it immutable.
  repository = module.registry.repository_urls[local.image_role]
  digest     = lookup(var.image_digests, local.image_role, null)
  image      = local.digest == null ? "${local.repository}:${var.image_tag}" : "${local.repository}@${local.digest}"

  # The names of examples/parameter_server/settings.py; the module adds SERVER_PORT. Nothing here
  # depends on worker_count: a changed variable replaces the task. /health and /metrics answer inside
  # the task alone (PS_HOST and PS_PORT are left as they are).
  worker_environment = merge(
    {
      PARAMETER_SERVER_ADDRESS = local.address
      PS_IMAGE_TAG             = coalesce(local.digest, var.image_tag)
    },
    var.extra_environment,
  )

  server_environments = {
    for role, shard in local.servers : role => merge(
      {
        PS_SHARD               = tostring(shard)
        PS_STACK               = var.name
        PS_STORE               = "s3://${module.storage.bucket}"
        SERVER_HOST            = "0.0.0.0"
        TOTAL_WORKERS_EXPECTED = tostring(var.total_workers_expected)
      },
      local.worker_environment,
    )
  }
}

module "network" {
  source = "../../../terraform/modules/network"

  name     = var.name
  vpc_cidr = var.vpc_cidr
}

module "registry" {
  source = "../../../terraform/modules/registry"

  name  = var.name
  roles = [local.image_role]
}

# Cuts of the runs, and exported models.
module "storage" {
  source = "../../../terraform/modules/storage"

  name           = var.name
  retention_days = { training = var.run_retention_days }
}

module "signing_key" {
  source = "../../../terraform/modules/signing_key"

  providers = {
    aws = aws.signing_key
  }

  name        = var.name
  description = "HS256 key that signs the calls to the parameter servers."
}

module "cluster" {
  source = "../../../terraform/modules/cluster"

  name               = var.name
  system             = local.system
  service_discovery  = "dns"
  dns_namespace      = local.namespace
  vpc_id             = module.network.vpc_id
  repository_arns    = values(module.registry.repository_arns)
  secrets            = { SigningKey = module.signing_key.parameter_arn }
  existing_role_name = var.existing_role_name
}

module "server" {
  source   = "../../../terraform/modules/service"
  for_each = local.servers

  name   = var.name
  role   = each.key
  system = local.system
  client = "A client"

  image         = local.image
  command       = ["server"]
  architecture  = var.architecture
  desired_count = var.stopped ? 0 : 1
  cpu           = var.server_cpu
  memory        = var.server_memory

  environment   = local.server_environments[each.key]
  secrets       = { PS_SIGNING_KEY = module.signing_key.parameter_arn }
  port          = local.port
  port_variable = "SERVER_PORT"
  health_check  = { command = ["CMD", "python", "-m", "services.healthcheck", "PS"] }

  # Two servers never own one range at the same time. SIGTERM leaves time for a cut of the run.
  deployment_percent = { minimum = 0, maximum = 100 }
  stop_timeout_s     = 120
  log_retention_days = var.log_retention_days

  # No range of the VPC: of its hosts only workers and servers may call, by the rules below. Clients
  # call server 0 alone.
  vpc_id        = module.network.vpc_id
  vpc_cidrs     = []
  subnet_ids    = module.network.subnet_ids
  allowed_cidrs = each.value == 0 ? var.allowed_cidrs : []

  bucket = module.storage.bucket
  access = { reads = ["training"], writes = ["training/*"] }
  statements = [{
    Sid      = "DeleteOldCuts"
    Effect   = "Allow"
    Action   = ["s3:DeleteObject"]
    Resource = ["arn:${data.aws_partition.current.partition}:s3:::${module.storage.bucket}/training/*/cuts/*"]
  }]

  cluster_arn             = module.cluster.cluster_arn
  service_discovery       = "dns"
  namespace_id            = module.cluster.namespace_id
  log_group_prefix        = module.cluster.log_group_prefix
  execution_role_arn      = module.cluster.execution_role_arn
  existing_role_arn       = module.cluster.existing_role_arn
  task_assume_role_policy = module.cluster.task_assume_role_policy
}

module "worker" {
  source = "../../../terraform/modules/service"

  name   = var.name
  role   = "worker"
  system = local.system

  image         = local.image
  command       = ["worker"]
  architecture  = var.architecture
  desired_count = var.stopped ? 0 : var.worker_count
  cpu           = var.worker_cpu
  memory        = var.worker_memory
  spot_share    = var.spot_share

  environment = local.worker_environment
  secrets     = { PS_SIGNING_KEY = module.signing_key.parameter_arn }

  # A worker may end at any time: its leases go to others.
  deployment_percent = { minimum = 0, maximum = 100 }
  stop_timeout_s     = 30
  log_retention_days = var.log_retention_days

  vpc_id     = module.network.vpc_id
  vpc_cidrs  = []
  subnet_ids = module.network.subnet_ids

  # Workers touch no object: parameters and gradients travel by gRPC.
  bucket = module.storage.bucket

  cluster_arn             = module.cluster.cluster_arn
  log_group_prefix        = module.cluster.log_group_prefix
  execution_role_arn      = module.cluster.execution_role_arn
  existing_role_arn       = module.cluster.existing_role_arn
  task_assume_role_policy = module.cluster.task_assume_role_policy
}

module "monitoring" {
  source = "../../../terraform/modules/monitoring"
  count  = var.dashboard ? 1 : 0

  name         = var.name
  system       = local.system
  cluster_name = module.cluster.cluster_name
  services = merge(
    { worker = { service_name = module.worker.service_name, log_group = module.worker.log_group } },
    { for role, server in module.server : role => { service_name = server.service_name, log_group = server.log_group } },
  )
  # The names of examples/parameter_server/metrics.py.
  graphs = { for title, graph in {
    "Training: clocks that are applied"      = { namespace = "ParameterServer", metrics = ["Clock"], stat = "Maximum" }
    "Training: clocks per second"            = { namespace = "ParameterServer", metrics = ["ClocksPerSecond"], stat = "Average" }
    "Training: loss"                         = { namespace = "ParameterServer", metrics = ["Loss"], stat = "Average" }
    "Training: most stale gradient, workers" = { namespace = "ParameterServer", metrics = ["Staleness", "Workers"], stat = "Maximum" }
  } : title => merge(graph, { dimensions = { Stack = var.name } }) }
  alarms    = false
  dashboard = true
}

# A warning, not an error: the address may be set later than the stack.
check "a_client_can_reach_the_servers" {
  assert {
    condition     = length(var.allowed_cidrs) > 0
    error_message = "No client outside the VPC can start a run: set allowed_cidrs to your address as a /32."
  }
}
