mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

variables {
  name              = "mapreduce"
  family_arn        = "arn:aws:ecs:eu-central-1:123456789012:task-definition/mapreduce-driver"
  container_name    = "driver"
  role_arns         = ["arn:aws:iam::123456789012:role/task", "arn:aws:iam::123456789012:role/execution"]
  security_group_id = "sg-0123456789abcdef0"
  subnet_ids        = ["subnet-0123456789abcdef0"]
  assign_public_ip  = true
  cluster_arn       = "arn:aws:ecs:eu-central-1:123456789012:cluster/mapreduce"
}

run "it_hears_of_killed_drivers_that_carry_out_a_plan" {
  command = plan

  module {
    source = "./modules/driver_retry"
  }

  assert {
    condition = jsondecode(aws_cloudwatch_event_rule.this.event_pattern).detail == {
      clusterArn        = ["arn:aws:ecs:eu-central-1:123456789012:cluster/mapreduce"]
      lastStatus        = ["STOPPED"]
      taskDefinitionArn = [{ prefix = "arn:aws:ecs:eu-central-1:123456789012:task-definition/mapreduce-driver:" }]
      overrides         = { containerOverrides = { command = ["keep"] } }
      "$or" = [
        {
          containers = { exitCode = [134, 137, 139] }
          stopCode   = [{ "anything-but" = ["UserInitiated"] }]
        },
        { stopCode = ["SpotInterruption", "TerminationNotice"] },
      ]
    }
    error_message = "The rule is for killed drivers of this family, and not for those that ended with their run or by StopTask."
  }
}

run "the_next_driver_gets_the_same_command" {
  command = plan

  module {
    source = "./modules/driver_retry"
  }

  assert {
    condition     = jsondecode(replace(aws_cloudwatch_event_target.driver.input_transformer[0].input_template, "<command>", "[\"keep\", \"run-1\"]")) == { containerOverrides = [{ name = "driver", command = ["keep", "run-1"] }] } && aws_cloudwatch_event_target.driver.input_transformer[0].input_paths == tomap({ command = "$.detail.overrides.containerOverrides[0].command" })
    error_message = "The new task has the overrides of the killed one."
  }

  assert {
    condition     = aws_cloudwatch_event_target.driver.ecs_target[0].task_definition_arn == "arn:aws:ecs:eu-central-1:123456789012:task-definition/mapreduce-driver" && aws_cloudwatch_event_target.driver.ecs_target[0].task_count == 1
    error_message = "One task of the latest revision."
  }
}

run "its_role_starts_drivers_and_does_nothing_else" {
  command = plan

  module {
    source = "./modules/driver_retry"
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
        Resource  = ["arn:aws:iam::123456789012:role/task", "arn:aws:iam::123456789012:role/execution"]
        Condition = { StringEquals = { "iam:PassedToService" = "ecs-tasks.amazonaws.com" } }
      },
    ]
    error_message = "RunTask of the family in this cluster, and its two roles."
  }

  assert {
    condition     = jsondecode(aws_iam_role.this.assume_role_policy).Statement[0].Condition.StringEquals["aws:SourceArn"] == "arn:aws:events:eu-central-1:123456789012:rule/mapreduce-driver-lost"
    error_message = "Only this rule may take the role."
  }
}
