# The driver reads these outputs (driver/cloud/stack.py pins the same names). None is secret.

# The descriptions that an output and the driver in AWS (driver.tf) share.
locals {
  described_services = {
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

  described_guard = one([for guard in module.guard : {
    service_name        = guard.service_name
    task_definition_arn = guard.task_definition_arn
    log_group           = guard.log_group
  }])
}

output "region" {
  description = "AWS region of the stack."
  value       = var.region
}

output "name" {
  description = "Prefix of every name in the stack, and its Stack tag."
  value       = var.name
}

output "system" {
  description = "Name of the system that the stack carries, and its System tag."
  value       = local.tags.System
}

output "bucket" {
  description = "Name of the bucket that holds input, intermediate data and results."
  value       = module.storage.bucket
}

output "extra_input_buckets" {
  description = "Names of additional buckets that jobs may read."
  value       = var.extra_input_buckets
}

output "extra_kms_key_arns" {
  description = "Keys with which the services may decrypt additional inputs."
  value       = var.extra_kms_key_arns
}

output "cluster" {
  description = "Name of the ECS cluster."
  value       = module.cluster.cluster_name
}

output "service_discovery" {
  description = "Kind of the Cloud Map namespace: api, dns (which has a hosted zone), or none."
  value       = local.service_discovery
}

output "namespace" {
  description = "Name of the Cloud Map namespace in which a driver inside the VPC finds the tasks, or null: then ECS tells their addresses."
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

output "assign_public_ip" {
  description = "Whether each task has a public address, which costs."
  value       = var.assign_public_ip
}

output "architecture" {
  description = "CPU architecture of the tasks, X86_64 or ARM64: sets the images' platform and the price."
  value       = var.architecture
}

output "spot_share" {
  description = "Percentage of the mappers that run on Fargate Spot."
  value       = var.spot_share
}

output "signing_key_parameter" {
  description = "Name of the parameter with the driver's signing key. The key itself is in no output and no state."
  value       = module.signing_key.parameter_name
}

output "repository_urls" {
  description = "URL of each service's image repository, by role."
  value       = module.registry.repository_urls
}

output "image_tag" {
  description = "Tag of the images that the services run."
  value       = var.image_tag
}

output "alarms" {
  description = "Whether the stack has the alarms, which cost while it is stopped too."
  value       = var.alarms
}

output "dashboard" {
  description = "Whether the stack has the dashboard, which costs while it is stopped too."
  value       = var.dashboard
}

output "services" {
  description = "Each service by role: names in ECS, Cloud Map and CloudWatch, task definition, port, number and size (CPU units, MiB) of its tasks."
  value       = local.described_services
}

output "idle_stop_minutes" {
  description = "Minutes without a run after which the idle guard stops the services; 0 without a guard."
  value       = var.idle_stop_minutes
}

output "guard" {
  description = "The idle guard's ECS service, task definition and log group; null without one."
  value       = local.described_guard
}

# What RunTask takes to start a driver in AWS, in this cluster; null with driver = false.

output "driver_task_definition" {
  description = "ARN of the task definition of a driver in AWS, with its revision; its container is named driver."
  value       = one(module.driver[*].task_definition_arn)
}

output "driver_subnets" {
  description = "Subnets in which a driver in AWS starts; assign_public_ip says whether it needs an address."
  value       = var.driver ? local.network.subnet_ids : null
}

output "driver_security_group" {
  description = "Security group of a driver in AWS."
  value       = one(module.driver[*].security_group_id)
}

output "driver_log_group" {
  description = "Log group of a driver in AWS."
  value       = one(module.driver[*].log_group)
}
