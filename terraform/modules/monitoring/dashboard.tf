locals {
  # Title -> how to draw a metric of ECS for each service.
  ecs_graphs = {
    "Running tasks"                 = { metric = "CPUUtilization", stat = "SampleCount" }
    "CPU, busiest task, percent"    = { metric = "CPUUtilization", stat = "Maximum" }
    "Memory, largest task, percent" = { metric = "MemoryUtilization", stat = "Maximum" }
  }

  ecs_widgets = [
    for title in ["Running tasks", "CPU, busiest task, percent", "Memory, largest task, percent"] : {
      type   = "metric"
      width  = 12
      height = 6
      properties = {
        title  = title
        region = data.aws_region.current.id
        view   = "timeSeries"
        stat   = local.ecs_graphs[title].stat
        # With a longer one, SampleCount is no longer the number of tasks.
        period = 60
        metrics = [
          for role in sort(keys(var.services)) :
          ["AWS/ECS", local.ecs_graphs[title].metric, "ClusterName", var.cluster_name, "ServiceName", var.services[role].service_name]
        ]
      }
    }
  ]

  log_widget = {
    type   = "metric"
    width  = 12
    height = 6
    properties = {
      title   = "Failed attempts, and errors of the services"
      region  = data.aws_region.current.id
      view    = "timeSeries"
      stat    = "Sum"
      period  = 60
      metrics = [for metric in sort(keys(local.patterns)) : [local.metric_namespace, metric]]
    }
  }
}

locals {
  own_widgets = [
    for title in sort(keys(var.graphs)) : {
      type   = "metric"
      width  = 12
      height = 6
      properties = {
        title  = title
        region = data.aws_region.current.id
        view   = "timeSeries"
        stat   = var.graphs[title].stat
        period = 60
        metrics = [for metric in var.graphs[title].metrics : concat(
          [var.graphs[title].namespace, metric],
          flatten([for name, value in var.graphs[title].dimensions : [name, value]]),
        )]
      }
    }
  ]
}

resource "aws_cloudwatch_dashboard" "this" {
  count = var.dashboard ? 1 : 0

  # A dashboard has no tags and is global: the region distinguishes stacks of the same name.
  dashboard_name = "${var.name}-${data.aws_region.current.id}"

  dashboard_body = jsonencode({ widgets = concat(local.ecs_widgets, [local.log_widget], local.own_widgets) })
}
