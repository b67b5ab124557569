# `python -m driver stack --system parameter-server` and `python -m examples.parameter_server --target
# aws` read these outputs. None is secret.

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
  description = "Name of the bucket that holds cuts of the runs and exported models."
  value       = module.storage.bucket
}

output "cluster" {
  description = "Name of the ECS cluster."
  value       = module.cluster.cluster_name
}

output "namespace" {
  description = "Name of the Cloud Map namespace, which is a DNS zone of the VPC."
  value       = module.cluster.namespace_name
}

output "service_discovery" {
  description = "Kind of the Cloud Map namespace: dns."
  value       = "dns"
}

output "dns_names" {
  description = "Host name of each server in the VPC, by role."
  value       = { for role in keys(local.servers) : role => "${role}.${local.namespace}" }
}

output "parameter_server_address" {
  description = "What workers have as PARAMETER_SERVER_ADDRESS: host:port of each server."
  value       = local.address
}

output "signing_key_parameter" {
  description = "Name of the parameter with the key that signs calls. The key itself is in no output and no state."
  value       = module.signing_key.parameter_name
}

output "architecture" {
  description = "CPU architecture of the tasks, X86_64 or ARM64: sets the image's platform and the price."
  value       = var.architecture
}

output "allowed_cidrs" {
  description = "IPv4 ranges outside the VPC that may call the servers."
  value       = module.server["parameter-server"].allowed_cidrs
}

output "assign_public_ip" {
  description = "Whether each task has a public address, which costs."
  value       = true
}

output "spot_shares" {
  description = "Percentage of the tasks that run on Fargate Spot, by role; 0 for the roles left out."
  value       = { worker = var.spot_share }
}

output "repository_urls" {
  description = "URL of the image repository, by role: servers and workers have one image."
  value       = module.registry.repository_urls
}

output "image_tag" {
  description = "Tag of the image that servers and workers run."
  value       = var.image_tag
}

output "dashboard" {
  description = "Name of the dashboard; null without one."
  value       = one(module.monitoring[*].dashboard_name)
}

output "log_groups" {
  description = "Name of each service's log group, by role."
  value = merge(
    { worker = module.worker.log_group },
    { for role, server in module.server : role => server.log_group },
  )
}

output "services" {
  description = "Each service by role: names in ECS, Cloud Map and CloudWatch, task definition, port, number and size (CPU units, MiB) of its tasks."
  value = merge(
    {
      for role, server in module.server : role => {
        service_name           = server.service_name
        task_definition_arn    = server.task_definition_arn
        discovery_service_id   = server.discovery_service_id
        discovery_service_name = server.discovery_service_name
        container_name         = server.container_name
        port                   = server.port
        log_group              = server.log_group
        desired_count          = var.stopped ? 0 : 1
        cpu                    = var.server_cpu
        memory                 = var.server_memory
      }
    },
    {
      worker = {
        service_name           = module.worker.service_name
        task_definition_arn    = module.worker.task_definition_arn
        discovery_service_id   = module.worker.discovery_service_id
        discovery_service_name = module.worker.discovery_service_name
        container_name         = module.worker.container_name
        port                   = module.worker.port
        log_group              = module.worker.log_group
        desired_count          = var.stopped ? 0 : var.worker_count
        cpu                    = var.worker_cpu
        memory                 = var.worker_memory
      }
    },
  )
}
