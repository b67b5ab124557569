output "service_name" {
  description = "Name of the ECS service."
  value       = aws_ecs_service.this.name
}

output "service_arn" {
  description = "ARN of the ECS service."
  value       = aws_ecs_service.this.id
}

output "discovery_service_id" {
  description = "ID of the Cloud Map service, or null."
  value       = one(aws_service_discovery_service.this[*].id)
}

output "discovery_service_name" {
  description = "Name of the Cloud Map service, or null."
  value       = one(aws_service_discovery_service.this[*].name)
}

output "container_name" {
  description = "Name of the container in a task."
  value       = var.role
}

output "port" {
  description = "Port on which a task answers."
  value       = local.port
}

output "log_group" {
  description = "Name of the log group."
  value       = aws_cloudwatch_log_group.this.name
}

output "task_definition_arn" {
  description = "ARN of the task definition, with its revision."
  value       = aws_ecs_task_definition.this.arn
}

output "allowed_cidrs" {
  description = "IPv4 ranges outside the VPC that may call the tasks."
  value       = tolist([for cidr, rule in aws_vpc_security_group_ingress_rule.http : cidr if !contains(var.vpc_cidrs, cidr)])
}
