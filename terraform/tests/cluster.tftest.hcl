mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

variables {
  name              = "mapreduce"
  service_discovery = "api"
  vpc_id            = "vpc-0123456789abcdef0"
  repository_arns   = ["arn:aws:ecr:eu-central-1:123456789012:repository/mapreduce/mapper"]
  system            = "MapReduce"
  secrets           = { SigningKey = "arn:aws:ssm:eu-central-1:123456789012:parameter/mapreduce/signing-key" }
}

run "fargate_and_spot_can_be_used" {
  command = plan

  module {
    source = "./modules/cluster"
  }

  assert {
    condition     = aws_ecs_cluster_capacity_providers.this.capacity_providers == toset(["FARGATE", "FARGATE_SPOT"])
    error_message = "The cluster must offer Fargate, and Spot."
  }
}

run "api_has_no_hosted_zone" {
  command = plan

  module {
    source = "./modules/cluster"
  }

  assert {
    condition     = length(aws_service_discovery_private_dns_namespace.this) == 0 && output.namespace_name == "mapreduce"
    error_message = "A namespace without DNS costs nothing while it stands."
  }

  assert {
    condition     = output.namespace_id == "ns-http"
    error_message = "The services register in the HTTP namespace."
  }
}

run "dns_resolves_inside_the_vpc_only" {
  command = plan

  module {
    source = "./modules/cluster"
  }

  variables {
    service_discovery = "dns"
  }

  assert {
    condition     = length(aws_service_discovery_http_namespace.this) == 0 && output.namespace_name == "mapreduce.internal" && aws_service_discovery_private_dns_namespace.this[0].vpc == "vpc-0123456789abcdef0"
    error_message = "The namespace's names resolve inside the stack's VPC only."
  }

  assert {
    condition     = output.namespace_id == "ns-dns"
    error_message = "The services register in the DNS namespace."
  }
}

run "a_namespace_can_have_a_name_of_its_own" {
  command = plan

  module {
    source = "./modules/cluster"
  }

  variables {
    service_discovery = "dns"
    dns_namespace     = "training.local"
  }

  assert {
    condition     = output.namespace_name == "training.local"
    error_message = "Programs that expect a name must find it."
  }
}

run "without_secrets_none_can_be_read" {
  command = plan

  module {
    source = "./modules/cluster"
  }

  variables {
    secrets = {}
  }

  assert {
    condition     = [for statement in jsondecode(aws_iam_role_policy.execution[0].policy).Statement : statement.Sid] == ["LogInToRegistry", "PullImages", "WriteLogs"]
    error_message = "A system without secrets reads no parameter."
  }
}

run "none_has_no_namespace" {
  command = plan

  module {
    source = "./modules/cluster"
  }

  variables {
    service_discovery = "none"
  }

  assert {
    condition     = length(aws_service_discovery_http_namespace.this) == 0 && length(aws_service_discovery_private_dns_namespace.this) == 0
    error_message = "An account that denies Cloud Map must be able to deploy."
  }

  assert {
    condition     = output.namespace_id == null && output.namespace_name == null
    error_message = "The driver must see that there is no namespace."
  }
}

run "a_company_limits_the_execution_role" {
  command = plan

  module {
    source = "./modules/cluster"
  }

  variables {
    role_path                = "/teams/data/"
    permissions_boundary_arn = "arn:aws:iam::123456789012:policy/boundary"
  }

  assert {
    condition     = aws_iam_role.execution[0].path == "/teams/data/" && aws_iam_role.execution[0].permissions_boundary == "arn:aws:iam::123456789012:policy/boundary"
    error_message = "The execution role must have the company's path and boundary."
  }
}

run "the_execution_role_starts_tasks_of_this_stack_alone" {
  command = plan

  module {
    source = "./modules/cluster"
  }

  assert {
    condition     = aws_iam_role.execution[0].name == "mapreduce-eu-central-1-execution"
    error_message = "The same stack in another region must not claim the same role."
  }

  assert {
    condition = jsondecode(aws_iam_role_policy.execution[0].policy).Statement == [
      {
        Sid      = "LogInToRegistry"
        Effect   = "Allow"
        Action   = "ecr:GetAuthorizationToken"
        Resource = "*"
      },
      {
        Sid      = "PullImages"
        Effect   = "Allow"
        Action   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
        Resource = ["arn:aws:ecr:eu-central-1:123456789012:repository/mapreduce/mapper"]
      },
      {
        Sid      = "WriteLogs"
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = "arn:aws:logs:eu-central-1:123456789012:log-group:/ecs/mapreduce/*:*"
      },
      {
        Sid      = "ReadSigningKey"
        Effect   = "Allow"
        Action   = "ssm:GetParameters"
        Resource = "arn:aws:ssm:eu-central-1:123456789012:parameter/mapreduce/signing-key"
      },
    ]
    error_message = "The execution role may pull the stack's images, write its logs and read its key, and nothing else."
  }

  assert {
    condition = jsondecode(output.task_assume_role_policy).Statement == [{
      Effect    = "Allow"
      Principal = { Service = "ecs-tasks.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = {
        StringEquals = { "aws:SourceAccount" = "123456789012" }
        ArnLike      = { "aws:SourceArn" = "arn:aws:ecs:eu-central-1:123456789012:*" }
      }
    }]
    error_message = "Only ECS tasks of this account and region may take the roles."
  }

  assert {
    condition     = output.existing_role_arn == null && output.execution_role_arn == aws_iam_role.execution[0].arn
    error_message = "Without an existing role the services make their own."
  }
}

run "no_role_is_created_beside_an_existing_one" {
  command = plan

  module {
    source = "./modules/cluster"
  }

  variables {
    existing_role_name = "LabRole"
  }

  assert {
    condition     = length(aws_iam_role.execution) == 0 && length(aws_iam_role_policy.execution) == 0
    error_message = "AWS Academy allows no role to be created."
  }

  assert {
    condition     = output.execution_role_arn == "arn:aws:iam::123456789012:role/LabRole" && output.existing_role_arn == "arn:aws:iam::123456789012:role/LabRole"
    error_message = "The existing role takes the place of both."
  }
}

run "arns_follow_the_partition" {
  command = plan

  module {
    source = "./modules/cluster"
  }

  override_data {
    target = data.aws_partition.current
    values = { partition = "aws-cn" }
  }

  override_data {
    target = data.aws_region.current
    values = { id = "cn-north-1" }
  }

  assert {
    condition     = jsondecode(aws_iam_role_policy.execution[0].policy).Statement[2].Resource == "arn:aws-cn:logs:cn-north-1:123456789012:log-group:/ecs/mapreduce/*:*"
    error_message = "ARNs in China and GovCloud start otherwise."
  }
}
