# The idle guard: it may change the number of tasks, and do nothing else.

mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

variables {
  name                    = "mapreduce"
  service_names           = ["mapper", "reducer", "splitter"]
  idle_stop_minutes       = 30
  desired_count           = 1
  image                   = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/mapreduce/guard:0123abcd"
  architecture            = "X86_64"
  log_retention_days      = 14
  vpc_id                  = "vpc-0123456789abcdef0"
  subnet_ids              = ["subnet-0a", "subnet-0b"]
  bucket                  = "store"
  cluster_arn             = "arn:aws:ecs:eu-central-1:123456789012:cluster/mapreduce"
  cluster_name            = "mapreduce"
  log_group_prefix        = "/ecs/mapreduce"
  execution_role_arn      = "arn:aws:iam::123456789012:role/mapreduce-execution"
  task_assume_role_policy = "{\"Version\":\"2012-10-17\",\"Statement\":[]}"
}

run "it_may_stop_services_and_read_leases" {
  command = plan

  module {
    source = "./modules/guard"
  }

  assert {
    condition = jsondecode(aws_iam_role_policy.task[0].policy).Statement == [
      {
        Sid    = "StopServices"
        Effect = "Allow"
        Action = "ecs:UpdateService"
        Resource = [
          "arn:aws:ecs:eu-central-1:123456789012:service/mapreduce/mapper",
          "arn:aws:ecs:eu-central-1:123456789012:service/mapreduce/reducer",
          "arn:aws:ecs:eu-central-1:123456789012:service/mapreduce/splitter",
          "arn:aws:ecs:eu-central-1:123456789012:service/mapreduce/guard",
        ]
      },
      {
        Sid      = "ReadLeases"
        Effect   = "Allow"
        Action   = "s3:GetObject"
        Resource = "arn:aws:s3:::store/fleet/leases/*"
      },
      {
        Sid       = "ListLeases"
        Effect    = "Allow"
        Action    = "s3:ListBucket"
        Resource  = "arn:aws:s3:::store"
        Condition = { StringLike = { "s3:prefix" = ["fleet/leases/*"] } }
      },
      {
        Sid      = "ForgetScaling"
        Effect   = "Allow"
        Action   = "s3:DeleteObject"
        Resource = "arn:aws:s3:::store/fleet/scaling.json"
      },
    ]
    error_message = "The guard's role may stop this stack's services, and nothing else."
  }
}

run "nothing_can_call_it" {
  command = plan

  module {
    source = "./modules/guard"
  }

  assert {
    condition     = jsondecode(aws_ecs_task_definition.this.container_definitions)[0].user == "10001:10001" && jsondecode(aws_ecs_task_definition.this.container_definitions)[0].readonlyRootFilesystem && !can(jsondecode(aws_ecs_task_definition.this.container_definitions)[0].portMappings)
    error_message = "The guard has no port, no privilege and no file to write."
  }

  assert {
    condition     = aws_vpc_security_group_egress_rule.https.from_port == 443 && aws_vpc_security_group_egress_rule.https.to_port == 443
    error_message = "The guard calls AWS alone."
  }
}

run "it_is_told_what_to_watch" {
  command = plan

  module {
    source = "./modules/guard"
  }

  assert {
    condition = { for each in jsondecode(aws_ecs_task_definition.this.container_definitions)[0].environment : each.name => each.value } == {
      AWS_DEFAULT_REGION          = "eu-central-1"
      AWS_REGION                  = "eu-central-1"
      MAPREDUCE_CLUSTER           = "mapreduce"
      MAPREDUCE_GUARD             = "guard"
      MAPREDUCE_IDLE_STOP_MINUTES = "30"
      MAPREDUCE_LEASES            = "fleet/leases"
      MAPREDUCE_SCALING           = "fleet/scaling.json"
      MAPREDUCE_SERVICES          = "[\"mapper\",\"reducer\",\"splitter\"]"
      MAPREDUCE_STORE             = "s3://store"
    }
    error_message = "services/guard/watch.py reads these variables: change both, or neither."
  }
}

run "with_an_existing_role_none_is_made" {
  command = plan

  module {
    source = "./modules/guard"
  }

  variables {
    existing_role_arn = "arn:aws:iam::123456789012:role/LabRole"
  }

  assert {
    condition     = length(aws_iam_role.task) == 0 && aws_ecs_task_definition.this.task_role_arn == "arn:aws:iam::123456789012:role/LabRole"
    error_message = "The guard uses the existing role."
  }
}

run "a_companys_rules_hold_for_it" {
  command = plan

  module {
    source = "./modules/guard"
  }

  variables {
    role_path                = "/team/"
    permissions_boundary_arn = "arn:aws:iam::123456789012:policy/boundary"
    assign_public_ip         = false
  }

  assert {
    condition     = aws_iam_role.task[0].path == "/team/" && aws_iam_role.task[0].permissions_boundary == "arn:aws:iam::123456789012:policy/boundary" && !aws_ecs_service.this.network_configuration[0].assign_public_ip
    error_message = "The guard's role and address follow the company's rules."
  }
}
