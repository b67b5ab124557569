# The outputs that every system has; none is secret.

output "region" {
  description = "AWS region of the stack."
  value       = var.region
}

output "name" {
  description = "Prefix of every name in the stack, and its Stack tag."
  value       = var.name
}

output "system" {
  description = "Name of the system that the stack carries."
  value       = "serving"
}

output "bucket" {
  description = "Name of the bucket that holds the models."
  value       = module.storage.bucket
}

output "cluster" {
  description = "Name of the ECS cluster."
  value       = module.cluster.cluster_name
}

output "service_discovery" {
  description = "Kind of the Cloud Map namespace."
  value       = "api"
}

output "namespace" {
  description = "Name of the Cloud Map namespace in which the router finds the model tasks."
  value       = module.cluster.namespace_name
}

output "assign_public_ip" {
  description = "Whether each task has a public address, which costs."
  value       = true
}

output "allowed_cidrs" {
  description = "IPv4 ranges outside the VPC that may call the router."
  # Of the rules, and not of the variable, so that it is what is in effect.
  value = module.service["router"].allowed_cidrs
}

output "architecture" {
  description = "CPU architecture of the tasks, X86_64 or ARM64: sets the images' platform and the price."
  value       = var.architecture
}

output "repository_urls" {
  description = "URL of each image repository, by role."
  value       = module.registry.repository_urls
}

output "image_tag" {
  description = "Tag of the images that the services run."
  value       = var.image_tag
}

output "signing_key_parameter" {
  description = "Name of the parameter with the router's signing key. The key itself is in no output and no state."
  value       = module.signing_key.parameter_name
}

output "model_name" {
  description = "Name of the model."
  value       = var.model_name
}

output "model_version" {
  description = "Version of the model that is served, or null."
  value       = var.model_version
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
