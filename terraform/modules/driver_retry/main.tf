# EventBridge starts the next driver of a run whose driver was killed: no code, and nothing that
# polls. The driver itself counts how often: it ends at once when the run has had all its drivers.

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

data "aws_region" "current" {}

locals {
  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition
  region    = data.aws_region.current.id
  rule_name = "${var.name}-driver-lost"
  rule_arn  = "arn:${local.partition}:events:${local.region}:${local.account}:rule/${local.rule_name}"

  stopped = {
    clusterArn        = [var.cluster_arn]
    lastStatus        = ["STOPPED"]
    taskDefinitionArn = [{ prefix = "${var.family_arn}:" }]
    # A scheduled driver makes a plan of its own: only one that carries out a plan can go on.
    overrides = { containerOverrides = { command = ["keep"] } }
  }
}

resource "aws_cloudwatch_event_rule" "this" {
  name        = local.rule_name
  description = "A driver of the MapReduce stack ${var.name} was killed before the end of its run."

  event_pattern = jsonencode({
    source      = ["aws.ecs"]
    detail-type = ["ECS Task State Change"]
    detail = merge(local.stopped, {
      "$or" = [
        # 128 and the signal: aborted, killed (also for want of memory), a fault in memory. A driver
        # that StopTask ends gets 137 too if its records take longer than stopTimeout.
        {
          containers = { exitCode = [134, 137, 139] }
          stopCode   = [{ "anything-but" = ["UserInitiated"] }]
        },
        { stopCode = ["SpotInterruption", "TerminationNotice"] },
      ]
    })
  })
}

resource "aws_iam_role" "this" {
  # Roles are global, so the region distinguishes stacks of the same name.
  name                 = "${var.name}-${local.region}-retry"
  path                 = var.role_path
  description          = "Starts the next driver of a run of the MapReduce stack ${var.name}."
  permissions_boundary = var.permissions_boundary_arn

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "events.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = { StringEquals = { "aws:SourceAccount" = local.account, "aws:SourceArn" = local.rule_arn } }
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

resource "aws_cloudwatch_event_target" "driver" {
  rule      = aws_cloudwatch_event_rule.this.name
  target_id = "driver"
  arn       = var.cluster_arn
  role_arn  = aws_iam_role.this.arn

  ecs_target {
    task_definition_arn = var.family_arn
    launch_type         = "FARGATE"
    task_count          = 1

    network_configuration {
      subnets          = var.subnet_ids
      security_groups  = [var.security_group_id]
      assign_public_ip = var.assign_public_ip
    }
  }

  # The command of the driver that was killed, as the overrides of RunTask.
  input_transformer {
    input_paths    = { command = "$.detail.overrides.containerOverrides[0].command" }
    input_template = <<-JSON
      {"containerOverrides": [{"name": "${var.container_name}", "command": <command>}]}
    JSON
  }

  depends_on = [aws_iam_role_policy.this]
}
