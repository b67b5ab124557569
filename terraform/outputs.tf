# The driver reads these outputs (driver/cloud/stack.py pins the same names). None is secret.

output "region" {
  description = "AWS region of the stack."
  value       = var.region
}

output "name" {
  description = "Prefix of every name in the stack, and its Stack tag."
  value       = var.name
}

output "bucket" {
  description = "Name of the bucket that holds input, intermediate data and results."
  value       = module.storage.bucket
}

output "extra_input_buckets" {
  description = "Names of additional buckets that jobs may read."
  value       = var.extra_input_buckets
}

output "cluster" {
  description = "Name of the ECS cluster."
  value       = module.cluster.cluster_name
}

output "namespace" {
  description = "Name of the Cloud Map namespace in which a driver inside the VPC finds the tasks."
  value       = module.cluster.namespace_name
}

output "allowed_cidrs" {
  description = "IPv4 ranges outside the VPC that may call the services."
  # Of the rules, and not of the variable: an apply that targets the rules alone (stack allow) also
  # updates outputs that depend on nothing else.
  value = module.service["mapper"].allowed_cidrs
}

output "address_kind" {
  description = "Which address of a task the driver calls from outside Cloud Map: public or private."
  value       = var.address_kind
}

output "architecture" {
  description = "CPU architecture of the tasks, X86_64 or ARM64: sets the images' platform and the price."
  value       = var.architecture
}

output "spot_share" {
  description = "Percentage of the mappers that run on Fargate Spot."
  value       = var.spot_share
}

output "signing_key_secret_arn" {
  description = "ARN of the driver's signing key. The key itself is in no output and no state."
  value       = module.signing_key.secret_arn
}

output "repository_urls" {
  description = "URL of each service's image repository, by role."
  value       = module.registry.repository_urls
}

output "image_tag" {
  description = "Tag of the images that the services run."
  value       = var.image_tag
}

output "services" {
  description = "Each service by role: names in ECS, Cloud Map and CloudWatch, task definition, port, number and size (CPU units, MiB) of its tasks."
  value = {
    for role, size in local.services : role => {
      service_name           = module.service[role].service_name
      task_definition_arn    = module.service[role].task_definition_arn
      discovery_service_id   = module.service[role].discovery_service_id
      discovery_service_name = module.service[role].discovery_service_name
      container_name         = module.service[role].container_name
      port                   = module.service[role].port
      log_group              = module.service[role].log_group
      desired_count          = size.desired_count
      cpu                    = size.cpu
      memory                 = size.memory
    }
  }
}
