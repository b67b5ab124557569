mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

variables {
  name         = "mapreduce"
  system       = "MapReduce"
  cluster_name = "mapreduce"
  services = {
    for role in ["mapper", "reducer", "splitter"] : role => { service_name = role, log_group = "/ecs/mapreduce/${role}" }
  }
  alarms    = true
  dashboard = true
  topic_arn = "arn:aws:sns:eu-central-1:123456789012:alarms"
}

run "alarms_for_errors_memory_and_a_forgotten_stack" {
  command = plan

  module {
    source = "./modules/monitoring"
  }

  assert {
    condition     = toset(output.alarm_names) == toset(["mapreduce-errors", "mapreduce-mapper-memory", "mapreduce-reducer-memory", "mapreduce-splitter-memory", "mapreduce-still-running"])
    error_message = "There are few alarms, each with its reason."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.memory["mapper"].dimensions == tomap({ ClusterName = "mapreduce", ServiceName = "mapper" }) && aws_cloudwatch_metric_alarm.memory["mapper"].statistic == "Maximum"
    error_message = "One full task must count, and not only the mean of all."
  }

  assert {
    condition     = one([for query in aws_cloudwatch_metric_alarm.running[0].metric_query : query.expression if query.id == "tasks"]) == "FILL(mapper, 0) + FILL(reducer, 0) + FILL(splitter, 0)"
    error_message = "Tasks of any service count as running; a stopped service has no data."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.errors[0].treat_missing_data == "notBreaching" && aws_cloudwatch_metric_alarm.running[0].treat_missing_data == "notBreaching"
    error_message = "A stopped stack must be quiet."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.errors[0].alarm_actions == toset(["arn:aws:sns:eu-central-1:123456789012:alarms"])
    error_message = "Alarms must notify the topic."
  }
}

run "the_logs_are_counted_in_two_metrics" {
  command = plan

  module {
    source = "./modules/monitoring"
  }

  assert {
    condition     = toset([for filter in aws_cloudwatch_log_metric_filter.this : "${filter.metric_transformation[0].namespace} ${filter.metric_transformation[0].name}"]) == toset(["MapReduce/mapreduce Errors", "MapReduce/mapreduce FailedAttempts"])
    error_message = "Each further metric costs $0.30 a month."
  }

  assert {
    condition     = length(aws_cloudwatch_log_metric_filter.this) == 6 && alltrue([for filter in aws_cloudwatch_log_metric_filter.this : filter.metric_transformation[0].default_value == null])
    error_message = "All services count, and a stopped stack has no data."
  }
}

run "the_dashboard_shows_every_service" {
  command = plan

  module {
    source = "./modules/monitoring"
  }

  assert {
    condition     = [for widget in jsondecode(aws_cloudwatch_dashboard.this[0].dashboard_body).widgets : widget.properties.title] == ["Running tasks", "CPU, busiest task, percent", "Memory, largest task, percent", "Failed attempts, and errors of the services"]
    error_message = "The dashboard shows tasks, CPU, memory and failures."
  }

  assert {
    condition     = jsondecode(aws_cloudwatch_dashboard.this[0].dashboard_body).widgets[0].properties.metrics[0] == ["AWS/ECS", "CPUUtilization", "ClusterName", "mapreduce", "ServiceName", "mapper"] && jsondecode(aws_cloudwatch_dashboard.this[0].dashboard_body).widgets[0].properties.period == 60
    error_message = "The samples of a minute are the running tasks."
  }
}

run "alarms_without_a_dashboard_or_a_topic" {
  command = plan

  module {
    source = "./modules/monitoring"
  }

  variables {
    dashboard = false
    topic_arn = null
  }

  assert {
    condition     = output.dashboard_name == null && length(output.alarm_names) == 5 && alltrue([for alarm in aws_cloudwatch_metric_alarm.memory : length(coalesce(alarm.alarm_actions, toset([]))) == 0])
    error_message = "Without a topic the alarms only show their state."
  }
}

run "a_dashboard_without_alarms" {
  command = plan

  module {
    source = "./modules/monitoring"
  }

  variables {
    alarms = false
  }

  assert {
    condition     = length(output.alarm_names) == 0 && output.dashboard_name == "mapreduce-eu-central-1"
    error_message = "A dashboard costs $3, alarms $0.70: each has its switch."
  }
}

run "graphs_of_the_system_follow" {
  command = plan

  module {
    source = "./modules/monitoring"
  }

  variables {
    graphs = { "Loss" = { namespace = "Training", metrics = ["Loss", "Best"], dimensions = { Stack = "lab" }, stat = "Minimum" } }
  }

  assert {
    condition = jsonencode(jsondecode(aws_cloudwatch_dashboard.this[0].dashboard_body).widgets[4].properties) == jsonencode({
      metrics = [["Training", "Loss", "Stack", "lab"], ["Training", "Best", "Stack", "lab"]]
      period  = 60
      region  = "eu-central-1"
      stat    = "Minimum"
      title   = "Loss"
      view    = "timeSeries"
    })
    error_message = "A system's own metrics come after those of its tasks."
  }
}
