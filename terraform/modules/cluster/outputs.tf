output "cluster_arn" {
  description = "ARN of the cluster, once it has its capacity providers."
  value       = aws_ecs_cluster.this.arn

  # Also for destroy: a capacity provider that a service still uses cannot be removed.
  depends_on = [aws_ecs_cluster_capacity_providers.this]
}

output "cluster_name" {
  description = "Name of the cluster."
  value       = aws_ecs_cluster.this.name
}

output "namespace_id" {
  description = "ID of the Cloud Map namespace, or null."
  value       = one(concat(aws_service_discovery_http_namespace.this[*].id, aws_service_discovery_private_dns_namespace.this[*].id))
}

output "namespace_name" {
  description = "Name of the Cloud Map namespace, or null."
  value       = one(concat(aws_service_discovery_http_namespace.this[*].name, aws_service_discovery_private_dns_namespace.this[*].name))
}

output "log_group_prefix" {
  description = "Prefix of the log groups that tasks may write to."
  value       = local.log_group_prefix
}

output "execution_role_arn" {
  description = "ARN of the role with which ECS starts tasks, once its policy is attached."
  value       = var.existing_role_name == null ? aws_iam_role.execution[0].arn : data.aws_iam_role.existing[0].arn

  depends_on = [aws_iam_role_policy.execution]
}

output "existing_role_arn" {
  description = "ARN of the role for the tasks' code, or null: then each service creates its own."
  value       = one(data.aws_iam_role.existing[*].arn)
}

output "task_assume_role_policy" {
  description = "Trust policy of every role that a task assumes."
  value       = local.task_assume_role_policy
}
