# `python -m driver stack --system albums` and `python -m examples.albums urls` read these outputs.
# None is secret.

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
  value       = local.tags.System
}

output "bucket" {
  description = "Name of the bucket that holds the added albums."
  value       = module.storage.bucket
}

output "cluster" {
  description = "Name of the ECS cluster."
  value       = module.cluster.cluster_name
}

output "namespace" {
  description = "Name of the Cloud Map namespace: null, the service has none."
  value       = module.cluster.namespace_name
}

output "service_discovery" {
  description = "Kind of the Cloud Map namespace: none."
  value       = "none"
}

output "architecture" {
  description = "CPU architecture of the tasks, X86_64 or ARM64: sets the image's platform and the price."
  value       = var.architecture
}

output "allowed_cidrs" {
  description = "IPv4 ranges outside the VPC that may call the service."
  value       = module.albums.allowed_cidrs
}

output "assign_public_ip" {
  description = "Whether each task has a public address, which costs."
  value       = true
}

output "repository_urls" {
  description = "URL of the image repository, by role."
  value       = module.registry.repository_urls
}

output "image_tag" {
  description = "Tag of the image that the service runs."
  value       = var.image_tag
}

output "load_balancer_url" {
  description = "The one address of all tasks; null without a load balancer."
  value       = one(module.load_balancer[*].url)
}

output "services" {
  description = "The service by role: names in ECS, Cloud Map and CloudWatch, task definition, port, number and size (CPU units, MiB) of its tasks."
  value = {
    albums = {
      service_name           = module.albums.service_name
      task_definition_arn    = module.albums.task_definition_arn
      discovery_service_id   = module.albums.discovery_service_id
      discovery_service_name = module.albums.discovery_service_name
      container_name         = module.albums.container_name
      port                   = module.albums.port
      log_group              = module.albums.log_group
      desired_count          = var.album_count
      cpu                    = local.cpu
      memory                 = local.memory
    }
  }
}
