# A driver in AWS: its task, and two roles that are its own.

mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

variables {
  name                    = "mapreduce"
  stack                   = { name = "mapreduce", namespace = null, services = { mapper = { port = 8080 } } }
  image                   = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/mapreduce/driver:0123abcd"
  architecture            = "ARM64"
  log_retention_days      = 14
  statements              = [{ Sid = "Objects", Effect = "Allow", Action = "s3:GetObject", Resource = "arn:aws:s3:::store/*" }]
  vpc_id                  = "vpc-0123456789abcdef0"
  bucket                  = "store"
  repository_arn          = "arn:aws:ecr:eu-central-1:123456789012:repository/mapreduce/driver"
  log_group_prefix        = "/ecs/mapreduce"
  task_assume_role_policy = "{\"Version\":\"2012-10-17\",\"Statement\":[]}"
}

run "it_is_a_small_task_without_a_privilege_or_a_port" {
  command = plan

  module {
    source = "./modules/driver"
  }

  assert {
    condition     = aws_ecs_task_definition.this.family == "mapreduce-driver" && aws_ecs_task_definition.this.cpu == "256" && aws_ecs_task_definition.this.memory == "1024" && aws_ecs_task_definition.this.runtime_platform[0].cpu_architecture == "ARM64"
    error_message = "A driver has a quarter of a vCPU and 1 GiB."
  }

  assert {
    condition = {
      for key, value in jsondecode(aws_ecs_task_definition.this.container_definitions)[0] : key => value if contains(["name", "image", "user", "readonlyRootFilesystem", "linuxParameters", "stopTimeout", "mountPoints"], key)
      } == {
      name                   = "driver"
      image                  = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/mapreduce/driver:0123abcd"
      user                   = "10001:10001"
      readonlyRootFilesystem = true
      linuxParameters        = { capabilities = { drop = ["ALL"] } }
      stopTimeout            = 120
      mountPoints            = [{ sourceVolume = "scratch", containerPath = "/scratch", readOnly = false }]
    }
    error_message = "The container writes only to its scratch volume, and has two minutes to end."
  }

  assert {
    condition     = !can(jsondecode(aws_ecs_task_definition.this.container_definitions)[0].portMappings) && !can(jsondecode(aws_ecs_task_definition.this.container_definitions)[0].secrets) && !can(jsondecode(aws_ecs_task_definition.this.container_definitions)[0].command)
    error_message = "Nothing calls a driver, it reads the key itself, and RunTask names the command."
  }

  assert {
    condition     = jsondecode(aws_ecs_task_definition.this.container_definitions)[0].logConfiguration.options.awslogs-group == "/ecs/mapreduce/driver" && aws_cloudwatch_log_group.this.retention_in_days == 14
    error_message = "The log group is the driver's own."
  }

  assert {
    condition     = aws_vpc_security_group_egress_rule.https.from_port == 443 && aws_vpc_security_group_egress_rule.https.to_port == 443
    error_message = "The driver calls AWS; the root adds the services."
  }
}

run "it_reads_the_stack_from_its_environment" {
  command = plan

  module {
    source = "./modules/driver"
  }

  variables {
    extra_environment = { LOG_LEVEL = "debug" }
  }

  assert {
    condition = { for each in jsondecode(aws_ecs_task_definition.this.container_definitions)[0].environment : each.name => each.value } == {
      AWS_DEFAULT_REGION = "eu-central-1"
      AWS_REGION         = "eu-central-1"
      LOG_LEVEL          = "debug"
      MAPREDUCE_STACK    = "{\"name\":\"mapreduce\",\"namespace\":null,\"services\":{\"mapper\":{\"port\":8080}}}"
      MAPREDUCE_STORE    = "s3://store"
    }
    error_message = "driver/cloud/stack.py reads MAPREDUCE_STACK: change both, or neither."
  }
}

run "it_may_do_what_a_run_does_and_read_the_extra_inputs" {
  command = plan

  module {
    source = "./modules/driver"
  }

  variables {
    extra_input_buckets = ["books"]
    extra_kms_key_arns  = ["arn:aws:kms:eu-west-1:123456789012:key/1"]
  }

  assert {
    condition = jsondecode(aws_iam_role_policy.task[0].policy).Statement == [
      { Sid = "Objects", Effect = "Allow", Action = "s3:GetObject", Resource = "arn:aws:s3:::store/*" },
      { Sid = "ReadExtraInputs", Effect = "Allow", Action = "s3:GetObject", Resource = ["arn:aws:s3:::books/*"] },
      { Sid = "ListExtraInputs", Effect = "Allow", Action = "s3:ListBucket", Resource = ["arn:aws:s3:::books"] },
      {
        Sid       = "DecryptExtraInputs"
        Effect    = "Allow"
        Action    = "kms:Decrypt"
        Resource  = ["arn:aws:kms:eu-west-1:123456789012:key/1"]
        Condition = { StringEquals = { "kms:ViaService" = ["s3.eu-west-1.amazonaws.com"] } }
      },
    ]
    error_message = "The task role has the given statements, reads the extra inputs, and writes none."
  }
}

run "ecs_starts_it_with_its_own_image_and_log_alone" {
  command = plan

  module {
    source = "./modules/driver"
  }

  assert {
    condition = [for statement in jsondecode(aws_iam_role_policy.execution[0].policy).Statement : [statement.Sid, statement.Resource]] == [
      ["LogInToRegistry", "*"],
      ["PullImage", "arn:aws:ecr:eu-central-1:123456789012:repository/mapreduce/driver"],
      ["WriteLogs", "arn:aws:logs:eu-central-1:123456789012:log-group:/ecs/mapreduce/driver:*"],
    ]
    error_message = "The execution role reads no parameter, and pulls no other image."
  }

  assert {
    condition     = aws_iam_role.task[0].name == "mapreduce-eu-central-1-driver" && aws_iam_role.execution[0].name == "mapreduce-eu-central-1-driver-execution"
    error_message = "policies/runner.json names these two roles."
  }
}

run "with_an_existing_role_none_is_made" {
  command = plan

  module {
    source = "./modules/driver"
  }

  variables {
    existing_role_arn = "arn:aws:iam::123456789012:role/LabRole"
  }

  assert {
    condition     = length(aws_iam_role.task) + length(aws_iam_role.execution) == 0 && aws_ecs_task_definition.this.task_role_arn == "arn:aws:iam::123456789012:role/LabRole" && aws_ecs_task_definition.this.execution_role_arn == "arn:aws:iam::123456789012:role/LabRole"
    error_message = "The existing role starts the driver and runs in it."
  }

  assert {
    condition     = output.role_arns == tolist(["arn:aws:iam::123456789012:role/LabRole"])
    error_message = "The one role is named once."
  }
}

run "a_companys_rules_hold_for_its_roles" {
  command = plan

  module {
    source = "./modules/driver"
  }

  variables {
    role_path                = "/team/"
    permissions_boundary_arn = "arn:aws:iam::123456789012:policy/boundary"
  }

  assert {
    condition     = alltrue([for role in [aws_iam_role.task[0], aws_iam_role.execution[0]] : role.path == "/team/" && role.permissions_boundary == "arn:aws:iam::123456789012:policy/boundary"])
    error_message = "Both roles have the company's path and boundary."
  }
}
