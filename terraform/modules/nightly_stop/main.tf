# EventBridge Scheduler calls ECS itself: no Lambda function, no code.

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

data "aws_region" "current" {}

locals {
  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition
  region    = data.aws_region.current.id
  group_arn = "arn:${local.partition}:scheduler:${local.region}:${local.account}:schedule-group/${var.name}"
}

# A schedule has no tags, and its group has: so the stack's can be found, and removed, by tag.
resource "aws_scheduler_schedule_group" "this" {
  name = var.name
}

resource "aws_iam_role" "this" {
  # Roles are global, so the region distinguishes stacks of the same name.
  name                 = "${var.name}-${local.region}-nightly-stop"
  path                 = var.role_path
  description          = "Stops the services of the ${var.system} stack ${var.name} each night."
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
  name = "stop-services"
  role = aws_iam_role.this.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid      = "StopServices"
      Effect   = "Allow"
      Action   = "ecs:UpdateService"
      Resource = values(var.service_arns)
    }]
  })
}

resource "aws_scheduler_schedule" "this" {
  for_each = var.service_arns

  name                         = "stop-${each.key}"
  group_name                   = aws_scheduler_schedule_group.this.name
  description                  = "Stops the ${each.key} tasks of the ${var.system} stack ${var.name}."
  schedule_expression          = var.schedule
  schedule_expression_timezone = var.timezone

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = "arn:${local.partition}:scheduler:::aws-sdk:ecs:updateService"
    role_arn = aws_iam_role.this.arn

    input = jsonencode({
      Cluster      = var.cluster_name
      Service      = each.key
      DesiredCount = 0
    })

    # By default Scheduler tries for a day, and could stop what was started in the morning.
    retry_policy {
      maximum_event_age_in_seconds = 3600
      maximum_retry_attempts       = 10
    }
  }

  depends_on = [aws_iam_role_policy.this]
}
