mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

variables {
  name = "mapreduce"
  schedules = {
    nightly = { expression = "cron(0 2 * * ? *)", command = ["run", "--input", "s3://books/new/"], timezone = "Europe/Berlin" }
    hourly  = { expression = "rate(1 hour)", command = ["run"] }
  }
  family_arn        = "arn:aws:ecs:eu-central-1:123456789012:task-definition/mapreduce-driver"
  container_name    = "driver"
  role_arns         = ["arn:aws:iam::123456789012:role/driver", "arn:aws:iam::123456789012:role/driver-execution"]
  security_group_id = "sg-driver"
  subnet_ids        = ["subnet-0a", "subnet-0b"]
  assign_public_ip  = true
  cluster_arn       = "arn:aws:ecs:eu-central-1:123456789012:cluster/mapreduce"
}

run "each_starts_one_driver_with_its_command" {
  command = plan

  module {
    source = "./modules/schedule"
  }

  assert {
    condition = { for name, schedule in aws_scheduler_schedule.this : name => [schedule.schedule_expression, schedule.schedule_expression_timezone, jsondecode(schedule.target[0].input)] } == {
      nightly = ["cron(0 2 * * ? *)", "Europe/Berlin", { containerOverrides = [{ name = "driver", command = ["run", "--input", "s3://books/new/"] }] }]
      hourly  = ["rate(1 hour)", "UTC", { containerOverrides = [{ name = "driver", command = ["run"] }] }]
    }
    error_message = "The input is RunTask's overrides."
  }

  assert {
    condition = alltrue([
      for schedule in aws_scheduler_schedule.this :
      schedule.group_name == "mapreduce-driver" && schedule.target[0].arn == "arn:aws:ecs:eu-central-1:123456789012:cluster/mapreduce" && schedule.flexible_time_window[0].mode == "OFF"
    ])
    error_message = "The schedules are in the stack's own group, and start tasks in its cluster."
  }

  assert {
    condition = alltrue([
      for parameters in [for schedule in aws_scheduler_schedule.this : schedule.target[0].ecs_parameters[0]] :
      parameters.task_definition_arn == "arn:aws:ecs:eu-central-1:123456789012:task-definition/mapreduce-driver"
      && parameters.task_count == 1 && parameters.launch_type == "FARGATE"
      && parameters.network_configuration[0].subnets == toset(["subnet-0a", "subnet-0b"])
      && parameters.network_configuration[0].security_groups == toset(["sg-driver"])
      && parameters.network_configuration[0].assign_public_ip
      && parameters.propagate_tags == null && !parameters.enable_ecs_managed_tags
    ])
    error_message = "One task of the latest revision, without tags, which the role may not set."
  }
}

run "the_role_starts_drivers_and_hands_on_two_roles" {
  command = plan

  module {
    source = "./modules/schedule"
  }

  variables {
    role_path                = "/teams/data/"
    permissions_boundary_arn = "arn:aws:iam::123456789012:policy/boundary"
  }

  assert {
    condition = jsondecode(aws_iam_role_policy.this.policy).Statement == [
      {
        Sid       = "StartDrivers"
        Effect    = "Allow"
        Action    = "ecs:RunTask"
        Resource  = ["arn:aws:ecs:eu-central-1:123456789012:task-definition/mapreduce-driver", "arn:aws:ecs:eu-central-1:123456789012:task-definition/mapreduce-driver:*"]
        Condition = { ArnEquals = { "ecs:cluster" = "arn:aws:ecs:eu-central-1:123456789012:cluster/mapreduce" } }
      },
      {
        Sid       = "HandRolesToDrivers"
        Effect    = "Allow"
        Action    = "iam:PassRole"
        Resource  = ["arn:aws:iam::123456789012:role/driver", "arn:aws:iam::123456789012:role/driver-execution"]
        Condition = { StringEquals = { "iam:PassedToService" = "ecs-tasks.amazonaws.com" } }
      },
    ]
    error_message = "The role may start drivers of this stack, and nothing else."
  }

  assert {
    condition     = jsondecode(aws_iam_role.this.assume_role_policy).Statement[0].Condition == { StringEquals = { "aws:SourceAccount" = "123456789012", "aws:SourceArn" = "arn:aws:scheduler:eu-central-1:123456789012:schedule-group/mapreduce-driver" } }
    error_message = "Only this stack's schedules of drivers may take the role."
  }

  assert {
    condition     = aws_iam_role.this.path == "/teams/data/" && aws_iam_role.this.permissions_boundary == "arn:aws:iam::123456789012:policy/boundary"
    error_message = "The role must have the company's path and boundary."
  }
}
