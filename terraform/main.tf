locals {
  # These three tags identify everything that belongs to one stack. They are merged last, so that
  # extra_tags cannot override them.
  tags = merge(var.extra_tags, {
    Project   = "mapreduce-on-fargate"
    Stack     = var.name
    ManagedBy = "terraform"
  })

  # The differences between the three services. Their access to S3 is in modules/service/iam.tf.
  services = {
    splitter = {
      desired_count = var.splitter_count
      cpu           = var.splitter_cpu
      memory        = var.splitter_memory
      spot_share    = 0
    }
    mapper = {
      desired_count = var.mapper_count
      cpu           = var.mapper_cpu
      memory        = var.mapper_memory
      spot_share    = var.spot_share
    }
    reducer = {
      desired_count = var.reducer_count
      cpu           = var.reducer_cpu
      memory        = var.reducer_memory
      spot_share    = 0
    }
  }
}

locals {
  # A digest names one image for ever; a tag only as long as the registry keeps it immutable.
  images = {
    for role, url in module.registry.repository_urls : role => (
      contains(keys(var.image_digests), role) ? "${url}@${var.image_digests[role]}" : "${url}:${var.image_tag}"
    )
  }
}

module "network" {
  source = "./modules/network"

  name     = var.name
  vpc_cidr = var.vpc_cidr
}

module "registry" {
  source = "./modules/registry"

  name  = var.name
  roles = keys(local.services)
}

module "storage" {
  source = "./modules/storage"

  name                        = var.name
  intermediate_retention_days = var.intermediate_retention_days
}

module "signing_key" {
  source = "./modules/signing_key"

  providers = {
    aws = aws.signing_key
  }

  name = var.name
}

module "cluster" {
  source = "./modules/cluster"

  name               = var.name
  vpc_id             = module.network.vpc_id
  repository_arns    = values(module.registry.repository_arns)
  secret_arn         = module.signing_key.secret_arn
  existing_role_name = var.existing_role_name
}

module "service" {
  source   = "./modules/service"
  for_each = local.services

  name = var.name
  role = each.key

  image                 = local.images[each.key]
  architecture          = var.architecture
  desired_count         = each.value.desired_count
  cpu                   = each.value.cpu
  memory                = each.value.memory
  ephemeral_storage_gib = var.ephemeral_storage_gib
  spot_share            = each.value.spot_share
  extra_environment     = var.extra_environment
  log_retention_days    = var.log_retention_days

  vpc_id        = module.network.vpc_id
  vpc_cidr      = module.network.vpc_cidr
  subnet_ids    = module.network.subnet_ids
  allowed_cidrs = var.allowed_cidrs

  bucket              = module.storage.bucket
  extra_input_buckets = var.extra_input_buckets
  signing_key_arn     = module.signing_key.secret_arn

  cluster_arn             = module.cluster.cluster_arn
  namespace_id            = module.cluster.namespace_id
  log_group_prefix        = module.cluster.log_group_prefix
  execution_role_arn      = module.cluster.execution_role_arn
  existing_role_arn       = module.cluster.existing_role_arn
  task_assume_role_policy = module.cluster.task_assume_role_policy
}

# A warning, not an error: the address may be set later than the stack.
check "the_driver_can_reach_the_services" {
  assert {
    condition     = var.address_kind == "private" || length(var.allowed_cidrs) > 0
    error_message = "No client outside the VPC can call the services: set allowed_cidrs to your address as a /32, or address_kind to private if the driver runs in a network that reaches the VPC."
  }
}
