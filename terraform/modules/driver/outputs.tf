output "task_definition_arn" {
  description = "ARN of the task definition, with its revision, once the roles have their policies."
  value       = aws_ecs_task_definition.this.arn

  depends_on = [
    aws_iam_role_policy.task,
    aws_iam_role_policy.execution,
    aws_vpc_security_group_egress_rule.https,
  ]
}

output "family_arn" {
  description = "ARN of the task definition without a revision: RunTask takes the latest."
  value       = "arn:${local.partition}:ecs:${local.region}:${local.account}:task-definition/${aws_ecs_task_definition.this.family}"
}

output "container_name" {
  description = "Name of the container, whose command a run sets."
  value       = local.container
}

output "role_arns" {
  description = "The roles that who starts a driver hands on to ECS."
  value = distinct([
    aws_ecs_task_definition.this.task_role_arn,
    aws_ecs_task_definition.this.execution_role_arn,
  ])
}

output "security_group_id" {
  description = "ID of the drivers' security group."
  value       = aws_security_group.this.id
}

output "log_group" {
  description = "Name of the log group."
  value       = aws_cloudwatch_log_group.this.name
}
