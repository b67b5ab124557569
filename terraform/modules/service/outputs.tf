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
  description = "Name of the container in a task, or of the first of several."
  value       = keys(local.containers)[0]
}

output "port" {
  description = "Port on which a task answers, or its first container; null for a service that nothing calls."
  value       = var.port
}

output "security_group_id" {
  description = "ID of the tasks' security group, for rules between two services."
  value       = aws_security_group.this.id
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
