# A stack with a driver in AWS: its rules and outputs, and what its options need.

mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

# Terraform 1.11 cannot mock ephemeral resources: the one module with such a resource keeps a real
# provider, and is overridden, so that no API is called.
provider "aws" {
  alias                       = "signing_key"
  region                      = "eu-central-1"
  access_key                  = "none"
  secret_key                  = "none"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
}

override_module {
  target = module.signing_key

  outputs = {
    parameter_name = "/mapreduce/signing-key"
    parameter_arn  = "arn:aws:ssm:eu-central-1:123456789012:parameter/mapreduce/signing-key"
  }
}

override_resource {
  target          = module.driver[0].aws_security_group.this
  override_during = plan

  values = {
    id = "sg-driver"
  }
}

override_resource {
  target          = module.service["mapper"].aws_security_group.this
  override_during = plan

  values = {
    id = "sg-mapper"
  }
}

override_resource {
  target          = module.service["reducer"].aws_security_group.this
  override_during = plan

  values = {
    id = "sg-reducer"
  }
}

override_resource {
  target          = module.service["splitter"].aws_security_group.this
  override_during = plan

  values = {
    id = "sg-splitter"
  }
}

variables {
  region    = "eu-central-1"
  image_tag = "0123abcd"
}

run "it_reaches_every_service_and_no_address_outside_does" {
  command = plan

  variables {
    allowed_cidrs = []
  }

  assert {
    condition = keys(aws_vpc_security_group_ingress_rule.driver) == ["mapper", "reducer", "splitter"] && alltrue([
      for role, rule in aws_vpc_security_group_ingress_rule.driver :
      rule.from_port == 8080 && rule.to_port == 8080 && rule.ip_protocol == "tcp" && rule.cidr_ipv4 == null && rule.security_group_id == "sg-${role}" && rule.referenced_security_group_id == "sg-driver"
    ])
    error_message = "Each service takes calls of the driver's group, at its port alone."
  }

  assert {
    condition = keys(aws_vpc_security_group_egress_rule.driver) == ["mapper", "reducer", "splitter"] && alltrue([
      for role, rule in aws_vpc_security_group_egress_rule.driver :
      rule.from_port == 8080 && rule.to_port == 8080 && rule.security_group_id == "sg-driver" && rule.referenced_security_group_id == "sg-${role}"
    ])
    error_message = "The driver's group calls the services' groups."
  }

  assert {
    condition     = length(output.allowed_cidrs) == 0 && alltrue([for service in module.service : length(service.allowed_cidrs) == 0])
    error_message = "A stack that only submit uses has no rule from outside."
  }
}

run "output_shapes" {
  command = plan

  variables {
    vpc_id     = "vpc-0123456789abcdef0"
    subnet_ids = ["subnet-0a", "subnet-0b"]
  }

  assert {
    condition     = endswith(output.driver_task_definition, ":1") && toset(output.driver_subnets) == toset(["subnet-0a", "subnet-0b"]) && output.driver_security_group == "sg-driver" && output.driver_log_group == "/ecs/mapreduce/driver"
    error_message = "submit starts a task with these outputs: change both, or neither."
  }

  assert {
    condition     = module.driver[0].container_name == "driver"
    error_message = "submit sets the command of the container driver."
  }
}

run "it_knows_the_stack_as_its_outputs_describe_it" {
  command = plan

  variables {
    extra_input_buckets = ["other"]
    allowed_cidrs       = ["203.0.113.7/32"]
    spot_share          = 50
  }

  assert {
    condition = jsonencode(local.driver_stack) == jsonencode({
      region                = output.region
      name                  = output.name
      system                = output.system
      bucket                = output.bucket
      extra_input_buckets   = output.extra_input_buckets
      extra_kms_key_arns    = output.extra_kms_key_arns
      cluster               = output.cluster
      service_discovery     = output.service_discovery
      namespace             = output.namespace
      allowed_cidrs         = []
      address_kind          = "private"
      assign_public_ip      = output.assign_public_ip
      architecture          = output.architecture
      spot_share            = output.spot_share
      signing_key_parameter = output.signing_key_parameter
      repository_urls       = output.repository_urls
      image_tag             = output.image_tag
      alarms                = output.alarms
      dashboard             = output.dashboard
      services              = output.services
      idle_stop_minutes     = output.idle_stop_minutes
      guard                 = output.guard
    })
    error_message = "MAPREDUCE_STACK has the outputs, except that a driver inside calls private addresses."
  }
}

run "an_address_outside_changes_nothing_of_it" {
  command = plan

  variables {
    allowed_cidrs = ["198.51.100.0/24"]
  }

  assert {
    condition     = !strcontains(jsonencode(local.driver_stack), "198.51.100") && output.allowed_cidrs == tolist(["198.51.100.0/24"])
    error_message = "stack allow applies the rules alone: it must leave the task definition."
  }
}

run "without_it_nothing_of_it_is_made" {
  command = plan

  variables {
    driver        = false
    allowed_cidrs = ["203.0.113.7/32"]
  }

  assert {
    condition     = length(module.driver) == 0 && length(aws_vpc_security_group_ingress_rule.driver) == 0 && length(aws_vpc_security_group_egress_rule.driver) == 0
    error_message = "driver = false: no task definition, no role, no rule."
  }

  assert {
    condition     = output.driver_task_definition == null && output.driver_subnets == null && output.driver_security_group == null && output.driver_log_group == null
    error_message = "submit must see that there is none."
  }
}

run "its_role_may_do_what_a_run_does_and_start_nothing" {
  command = plan

  assert {
    condition     = [for statement in local.driver_statements : statement.Sid] == ["Objects", "Bucket", "Services", "ListTasks", "Discovery", "SigningKey", "Logs"]
    error_message = "The driver has these statements of policies/runner.json, and no other."
  }

  assert {
    condition     = [for statement in local.driver_statements : statement.Resource if statement.Sid == "Bucket"] == ["arn:aws:s3:::${output.bucket}"] && !can(regex("\\{[a-z]+\\}", jsonencode(local.driver_statements)))
    error_message = "The places of the document are filled in."
  }
}

run "a_schedule_and_a_notice" {
  command = plan

  variables {
    end_notice = "you@example.com"
    schedules  = { daily = { expression = "rate(1 day)", command = ["run", "--input", "s3://books/new/"] } }
  }

  assert {
    condition     = module.schedule[0].schedule_names == ["daily"] && module.end_notice[0].topic_arn == "arn:aws:sns:eu-central-1:123456789012:mapreduce-driver-ended"
    error_message = "Both are of the stack's driver."
  }
}

run "both_are_off_by_default" {
  command = plan

  assert {
    condition     = length(module.schedule) == 0 && length(module.end_notice) == 0
    error_message = "Nothing that was not asked for exists."
  }
}

run "the_existing_role_is_the_drivers_too" {
  command = plan

  variables {
    existing_role_name = "LabRole"
  }

  assert {
    condition     = module.driver[0].role_arns == tolist(["arn:aws:iam::123456789012:role/LabRole"])
    error_message = "With existing_role_name the driver has that role."
  }
}

run "reject_a_notice_to_a_name" {
  command = plan

  variables {
    end_notice = "you"
  }

  expect_failures = [var.end_notice]
}

run "reject_a_notice_to_a_queue" {
  command = plan

  variables {
    end_notice = "arn:aws:sqs:eu-central-1:123456789012:q"
  }

  expect_failures = [var.end_notice]
}

run "reject_a_notice_without_a_driver" {
  command = plan

  variables {
    driver        = false
    allowed_cidrs = ["203.0.113.7/32"]
    end_notice    = "you@example.com"
  }

  expect_failures = [var.end_notice]
}

run "reject_an_expression_of_five_fields" {
  command = plan

  variables {
    schedules = { daily = { expression = "cron(0 22 * * *)", command = ["run"] } }
  }

  expect_failures = [var.schedules]
}

run "reject_a_rate_of_zero" {
  command = plan

  variables {
    schedules = { daily = { expression = "rate(0 days)", command = ["run"] } }
  }

  expect_failures = [var.schedules]
}

run "reject_a_schedule_without_a_command" {
  command = plan

  variables {
    schedules = { daily = { expression = "rate(1 day)", command = [] } }
  }

  expect_failures = [var.schedules]
}

run "reject_a_schedule_of_a_name_with_a_slash" {
  command = plan

  variables {
    schedules = { "a/b" = { expression = "rate(1 day)", command = ["run"] } }
  }

  expect_failures = [var.schedules]
}

run "reject_a_time_zone_that_is_none" {
  command = plan

  variables {
    schedules = { daily = { expression = "rate(1 day)", command = ["run"], timezone = "CET summer" } }
  }

  expect_failures = [var.schedules]
}

run "reject_a_schedule_with_an_existing_role" {
  command = plan

  variables {
    existing_role_name = "LabRole"
    schedules          = { daily = { expression = "rate(1 day)", command = ["run"] } }
  }

  expect_failures = [var.schedules]
}
