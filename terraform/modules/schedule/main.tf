# EventBridge Scheduler starts the driver itself: no Lambda function, no task that waits.

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

data "aws_region" "current" {}

locals {
  account    = data.aws_caller_identity.current.account_id
  partition  = data.aws_partition.current.partition
  region     = data.aws_region.current.id
  group_name = "${var.name}-driver"
  group_arn  = "arn:${local.partition}:scheduler:${local.region}:${local.account}:schedule-group/${local.group_name}"
}

# A schedule has no tags, and its group has: so the stack's can be found, and removed, by tag.
resource "aws_scheduler_schedule_group" "this" {
  name = local.group_name
}

resource "aws_iam_role" "this" {
  # Roles are global, so the region distinguishes stacks of the same name.
  name                 = "${var.name}-${local.region}-schedule"
  path                 = var.role_path
  description          = "Starts the scheduled drivers of the MapReduce stack ${var.name}."
  permissions_boundary = var.permissions_boundary_arn

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "scheduler.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = { StringEquals = { "aws:SourceAccount" = local.account, "aws:SourceArn" = local.group_arn } }
    }]
  })
}

resource "aws_iam_role_policy" "this" {
  name = "start-drivers"
  role = aws_iam_role.this.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "StartDrivers"
        Effect    = "Allow"
        Action    = "ecs:RunTask"
        Resource  = [var.family_arn, "${var.family_arn}:*"]
        Condition = { ArnEquals = { "ecs:cluster" = var.cluster_arn } }
      },
      {
        Sid       = "HandRolesToDrivers"
        Effect    = "Allow"
        Action    = "iam:PassRole"
        Resource  = var.role_arns
        Condition = { StringEquals = { "iam:PassedToService" = "ecs-tasks.amazonaws.com" } }
      },
    ]
  })
}

resource "aws_scheduler_schedule" "this" {
  for_each = var.schedules

  name                         = each.key
  group_name                   = aws_scheduler_schedule_group.this.name
  description                  = "Starts a driver of the MapReduce stack ${var.name}."
  schedule_expression          = each.value.expression
  schedule_expression_timezone = each.value.timezone

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = var.cluster_arn
    role_arn = aws_iam_role.this.arn

    # The overrides of RunTask.
    input = jsonencode({
      containerOverrides = [{ name = var.container_name, command = each.value.command }]
    })

    ecs_parameters {
      # Without a revision: the latest, so that a deployment changes no schedule.
      task_definition_arn = var.family_arn
      launch_type         = "FARGATE"
      task_count          = 1
      # No tags: the role would need ecs:TagResource.
      enable_ecs_managed_tags = false

      network_configuration {
        subnets          = var.subnet_ids
        security_groups  = [var.security_group_id]
        assign_public_ip = var.assign_public_ip
      }
    }

    # By default Scheduler tries for a day, when the next run may be due.
    retry_policy {
      maximum_event_age_in_seconds = 3600
      maximum_retry_attempts       = 10
    }
  }

  depends_on = [aws_iam_role_policy.this]
}
