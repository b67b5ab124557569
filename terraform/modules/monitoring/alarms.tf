# Few alarms, each for something that the driver does not tell a user who is not there. An attempt
# that fails is none of them: it is repeated, and the run says so. Nor is a missing task: ECS
# publishes the desired number only with Container Insights, and the driver waits for the task.

locals {
  actions = var.topic_arn == null ? [] : [var.topic_arn]
}

resource "aws_cloudwatch_metric_alarm" "errors" {
  count = var.alarms ? 1 : 0

  alarm_name          = "${var.name}-errors"
  alarm_description   = "A service of the ${var.system} stack ${var.name} logged an error of its own${var.where_to_look == null ? "" : ": ${var.where_to_look}"}"
  namespace           = local.metric_namespace
  metric_name         = "Errors"
  statistic           = "Sum"
  period              = 300
  evaluation_periods  = 1
  threshold           = 1
  comparison_operator = "GreaterThanOrEqualToThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.actions
  ok_actions          = local.actions
}

resource "aws_cloudwatch_metric_alarm" "memory" {
  for_each = { for role, service in var.services : role => service if var.alarms }

  alarm_name          = "${var.name}-${each.key}-memory"
  alarm_description   = "A ${each.key} task of the ${var.system} stack ${var.name} is close to its memory: raise ${each.key}_memory."
  namespace           = "AWS/ECS"
  metric_name         = "MemoryUtilization"
  dimensions          = { ClusterName = var.cluster_name, ServiceName = each.value.service_name }
  statistic           = "Maximum"
  period              = 60
  evaluation_periods  = 5
  datapoints_to_alarm = 3
  threshold           = 95
  comparison_operator = "GreaterThanOrEqualToThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.actions
  ok_actions          = local.actions
}

# Tasks in every hour of half a day: a forgotten stack, or a very long run.
resource "aws_cloudwatch_metric_alarm" "running" {
  count = var.alarms ? 1 : 0

  alarm_name          = "${var.name}-still-running"
  alarm_description   = "Tasks of the ${var.system} stack ${var.name} have been running for 12 hours: make stop"
  evaluation_periods  = 12
  threshold           = 0
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.actions
  ok_actions          = local.actions

  metric_query {
    id          = "tasks"
    label       = "samples of running tasks"
    expression  = join(" + ", [for role in sort(keys(var.services)) : "FILL(${role}, 0)"])
    return_data = true
  }

  dynamic "metric_query" {
    for_each = var.services

    content {
      id = metric_query.key

      metric {
        namespace   = "AWS/ECS"
        metric_name = "CPUUtilization"
        dimensions  = { ClusterName = var.cluster_name, ServiceName = metric_query.value.service_name }
        stat        = "SampleCount"
        period      = 3600
      }
    }
  }
}
