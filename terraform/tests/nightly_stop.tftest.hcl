mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

variables {
  name         = "mapreduce"
  system       = "MapReduce"
  cluster_name = "mapreduce"
  service_arns = {
    mapper  = "arn:aws:ecs:eu-central-1:123456789012:service/mapreduce/mapper"
    reducer = "arn:aws:ecs:eu-central-1:123456789012:service/mapreduce/reducer"
  }
  schedule                 = "cron(0 22 * * ? *)"
  timezone                 = "Europe/Berlin"
  role_path                = "/teams/data/"
  permissions_boundary_arn = "arn:aws:iam::123456789012:policy/boundary"
}

run "each_service_is_set_to_zero_at_its_hour" {
  command = plan

  module {
    source = "./modules/nightly_stop"
  }

  assert {
    condition     = { for service, schedule in aws_scheduler_schedule.this : service => jsondecode(schedule.target[0].input) } == { for service in ["mapper", "reducer"] : service => { Cluster = "mapreduce", Service = service, DesiredCount = 0 } }
    error_message = "Scheduler must call UpdateService with its parameters' names."
  }

  assert {
    condition     = alltrue([for schedule in aws_scheduler_schedule.this : schedule.target[0].arn == "arn:aws:scheduler:::aws-sdk:ecs:updateService"])
    error_message = "Scheduler calls ECS without a function between them."
  }

  assert {
    condition     = alltrue([for schedule in aws_scheduler_schedule.this : schedule.schedule_expression == "cron(0 22 * * ? *)" && schedule.schedule_expression_timezone == "Europe/Berlin" && schedule.flexible_time_window[0].mode == "OFF"])
    error_message = "The hour is that of the user's time zone."
  }
}

run "the_role_may_change_these_services_and_nothing_else" {
  command = plan

  module {
    source = "./modules/nightly_stop"
  }

  assert {
    condition = jsondecode(aws_iam_role_policy.this.policy).Statement == [{
      Sid      = "StopServices"
      Effect   = "Allow"
      Action   = "ecs:UpdateService"
      Resource = ["arn:aws:ecs:eu-central-1:123456789012:service/mapreduce/mapper", "arn:aws:ecs:eu-central-1:123456789012:service/mapreduce/reducer"]
    }]
    error_message = "The role may stop the stack's services, and nothing else."
  }

  assert {
    condition = jsondecode(aws_iam_role.this.assume_role_policy).Statement == [{
      Effect    = "Allow"
      Principal = { Service = "scheduler.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = { StringEquals = { "aws:SourceAccount" = "123456789012", "aws:SourceArn" = "arn:aws:scheduler:eu-central-1:123456789012:schedule-group/mapreduce" } }
    }]
    error_message = "Only this stack's schedules may take the role."
  }

  assert {
    condition     = aws_iam_role.this.path == "/teams/data/" && aws_iam_role.this.permissions_boundary == "arn:aws:iam::123456789012:policy/boundary"
    error_message = "The role must have the company's path and boundary."
  }
}
