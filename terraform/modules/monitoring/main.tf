# Alarms and a dashboard over metrics that ECS publishes for nothing, and two that CloudWatch counts
# in the logs. Not Container Insights, which is paid for each task: without it, the number of running
# tasks is the number of samples of a service's CPU in a minute.

data "aws_region" "current" {}

locals {
  metric_namespace = "${var.system}/${var.name}"

  # Metric -> the lines of the services' logs (services/shell/logs.py) that it counts.
  patterns = {
    Errors         = "{ $.level = \"error\" || $.level = \"critical\" }"
    FailedAttempts = "{ $.event = \"task\" && $.outcome = \"failed\" }"
  }

  filters = merge([
    for metric, pattern in local.patterns : {
      for role, service in var.services : "${role}-${metric}" => {
        log_group = service.log_group
        metric    = metric
        pattern   = pattern
      }
    }
  ]...)
}

# All services count in one metric: a metric costs $0.30 a month, prorated for the hours with data.
# No default value, so a stopped stack has no data.
resource "aws_cloudwatch_log_metric_filter" "this" {
  for_each = local.filters

  name           = "${var.name}-${each.key}"
  log_group_name = each.value.log_group
  pattern        = each.value.pattern

  metric_transformation {
    namespace = local.metric_namespace
    name      = each.value.metric
    value     = "1"
  }
}
