mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

variables {
  name                    = "mapreduce"
  role                    = "mapper"
  system                  = "MapReduce"
  image                   = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/mapreduce/mapper:0123abcd"
  architecture            = "X86_64"
  desired_count           = 3
  cpu                     = 1024
  memory                  = 2048
  log_retention_days      = 14
  vpc_id                  = "vpc-0123456789abcdef0"
  vpc_cidrs               = ["10.20.0.0/16"]
  subnet_ids              = ["subnet-0a", "subnet-0b"]
  bucket                  = "store"
  environment             = { STORE = "s3://store" }
  secrets                 = { KEY = "arn:aws:ssm:eu-central-1:123456789012:parameter/mapreduce/signing-key" }
  port                    = 8080
  port_variable           = "PORT"
  health_check            = { command = ["CMD", "python", "-m", "services.healthcheck"] }
  scratch_path            = "/scratch"
  access                  = { reads = ["input", "jobs"], writes = ["maps/*.attempt-*"], other_buckets = ["other"] }
  cluster_arn             = "arn:aws:ecs:eu-central-1:123456789012:cluster/mapreduce"
  service_discovery       = "api"
  namespace_id            = "ns-0123456789abcdef"
  log_group_prefix        = "/ecs/mapreduce"
  execution_role_arn      = "arn:aws:iam::123456789012:role/mapreduce-execution"
  task_assume_role_policy = "{\"Version\":\"2012-10-17\",\"Statement\":[]}"
}

run "the_container_gets_its_settings_and_secrets" {
  command = plan

  module {
    source = "./modules/service"
  }

  assert {
    condition = { for setting in jsondecode(aws_ecs_task_definition.this.container_definitions)[0].environment : setting.name => setting.value } == {
      AWS_DEFAULT_REGION = "eu-central-1"
      AWS_REGION         = "eu-central-1"
      PORT               = "8080"
      STORE              = "s3://store"
    }
    error_message = "A container gets what its root says, its region and its port."
  }

  assert {
    condition = jsondecode(aws_ecs_task_definition.this.container_definitions)[0].secrets == [{
      name      = "KEY"
      valueFrom = "arn:aws:ssm:eu-central-1:123456789012:parameter/mapreduce/signing-key"
    }]
    error_message = "A secret comes from its parameter, and is in no plan."
  }
}

run "the_code_may_use_what_its_table_says" {
  command = plan

  module {
    source = "./modules/service"
  }

  variables {
    statements = [{ Sid = "Find", Effect = "Allow", Action = "servicediscovery:DiscoverInstances", Resource = "*" }]
  }

  assert {
    condition = jsondecode(aws_iam_role_policy.task[0].policy).Statement == [
      {
        Sid      = "ReadObjects"
        Effect   = "Allow"
        Action   = ["s3:GetObject"]
        Resource = ["arn:aws:s3:::store/input/*", "arn:aws:s3:::store/jobs/*", "arn:aws:s3:::other/*"]
      },
      {
        Sid       = "TellMissingFromDenied"
        Effect    = "Allow"
        Action    = ["s3:ListBucket"]
        Resource  = ["arn:aws:s3:::store"]
        Condition = { StringLike = { "s3:prefix" = ["input/*", "jobs/*"] } }
      },
      {
        Sid      = "WriteObjects"
        Effect   = "Allow"
        Action   = ["s3:PutObject", "s3:AbortMultipartUpload"]
        Resource = ["arn:aws:s3:::store/maps/*.attempt-*"]
      },
      {
        Sid      = "ListExtraInputs"
        Effect   = "Allow"
        Action   = ["s3:ListBucket"]
        Resource = ["arn:aws:s3:::other"]
      },
      {
        Sid      = "Find"
        Effect   = "Allow"
        Action   = "servicediscovery:DiscoverInstances"
        Resource = "*"
      },
    ]
    error_message = "A role allows what its root's table names, and nothing else."
  }
}

run "a_worker_that_nothing_calls_and_that_uses_nothing" {
  command = plan

  module {
    source = "./modules/service"
  }

  variables {
    port          = null
    port_variable = null
    health_check  = null
    scratch_path  = null
    secrets       = {}
    access        = {}
  }

  assert {
    condition     = length(aws_vpc_security_group_ingress_rule.http) == 0 && length(aws_service_discovery_service.this) == 0 && length(aws_ecs_service.this.service_registries) == 0
    error_message = "Without a port nothing may call the tasks, and Cloud Map does not know them."
  }

  assert {
    condition     = length(aws_iam_role_policy.task) == 0 && length(aws_iam_role.task) == 1
    error_message = "A role without permissions has no policy."
  }

  assert {
    condition     = length(aws_ecs_task_definition.this.volume) == 0 && jsondecode(aws_ecs_task_definition.this.container_definitions)[0].mountPoints == [] && jsondecode(aws_ecs_task_definition.this.container_definitions)[0].portMappings == []
    error_message = "There is no volume and no port that it did not ask for."
  }

  assert {
    condition     = jsondecode(aws_ecs_task_definition.this.container_definitions)[0].healthCheck == null && output.port == null
    error_message = "There is no health check that it did not ask for."
  }

  assert {
    condition     = !can(jsondecode(aws_ecs_task_definition.this.container_definitions)[0].command)
    error_message = "The image's own command stays."
  }
}

run "a_role_of_an_image_by_its_command" {
  command = plan

  module {
    source = "./modules/service"
  }

  variables {
    command = ["worker", "--quiet"]
  }

  assert {
    condition     = jsondecode(aws_ecs_task_definition.this.container_definitions)[0].command == ["worker", "--quiet"]
    error_message = "Two services run one image with different arguments."
  }
}

run "several_containers_share_a_task_and_have_a_port_each" {
  command = plan

  module {
    source = "./modules/service"
  }

  variables {
    containers_per_task = 3
  }

  assert {
    condition = { for container in jsondecode(aws_ecs_task_definition.this.container_definitions) : container.name => [
      one(container.portMappings).containerPort, one([for setting in container.environment : setting.value if setting.name == "PORT"])
    ] } == { mapper-1 = [8080, "8080"], mapper-2 = [8081, "8081"], mapper-3 = [8082, "8082"] }
    error_message = "A task has one address, so each container has its own port, and is told it."
  }

  assert {
    condition     = aws_vpc_security_group_ingress_rule.http["10.20.0.0/16"].from_port == 8080 && aws_vpc_security_group_ingress_rule.http["10.20.0.0/16"].to_port == 8082
    error_message = "All containers may be called, and no other port."
  }

  assert {
    condition     = output.container_name == "mapper-1" && output.port == 8080
    error_message = "The outputs name the first container."
  }
}

run "a_deploy_replaces_tasks_or_doubles_them" {
  command = plan

  module {
    source = "./modules/service"
  }

  variables {
    deployment_percent = { minimum = 0, maximum = 100 }
  }

  assert {
    condition     = aws_ecs_service.this.deployment_minimum_healthy_percent == 0 && aws_ecs_service.this.deployment_maximum_percent == 100
    error_message = "The root says how many tasks run while a deploy replaces them."
  }
}

run "reject_a_deploy_that_can_replace_no_task" {
  command = plan

  module {
    source = "./modules/service"
  }

  variables {
    deployment_percent = { minimum = 100, maximum = 100 }
  }

  expect_failures = [var.deployment_percent]
}

run "reject_more_containers_than_ecs_takes_and_a_stop_without_end" {
  command = plan

  module {
    source = "./modules/service"
  }

  variables {
    containers_per_task = 11
    stop_timeout_s      = 121
  }

  expect_failures = [var.containers_per_task, var.stop_timeout_s]
}

run "the_container_can_do_little_harm_and_stops_in_peace" {
  command = plan

  module {
    source = "./modules/service"
  }

  variables {
    stop_timeout_s = 120
  }

  assert {
    condition     = jsondecode(aws_ecs_task_definition.this.container_definitions)[0].user == "10001:10001"
    error_message = "The container must not run as root."
  }

  assert {
    condition     = jsondecode(aws_ecs_task_definition.this.container_definitions)[0].readonlyRootFilesystem && jsondecode(aws_ecs_task_definition.this.container_definitions)[0].linuxParameters.capabilities.drop == ["ALL"]
    error_message = "The root file system must be read-only, and every capability dropped."
  }

  assert {
    condition     = jsondecode(aws_ecs_task_definition.this.container_definitions)[0].mountPoints == [{ sourceVolume = "scratch", containerPath = "/scratch", readOnly = false }]
    error_message = "The scratch volume is the one place to write."
  }

  assert {
    condition     = jsondecode(aws_ecs_task_definition.this.container_definitions)[0].healthCheck.command == ["CMD", "python", "-m", "services.healthcheck"]
    error_message = "The image has this module for a health check, and no shell tools."
  }

  assert {
    condition     = jsondecode(aws_ecs_task_definition.this.container_definitions)[0].stopTimeout == 120
    error_message = "A task gets the time that it asks for."
  }

  assert {
    condition     = aws_cloudwatch_log_group.this.name == "/ecs/mapreduce/mapper" && aws_cloudwatch_log_group.this.retention_in_days == 14
    error_message = "Logs are kept as long as asked, where the execution role may write them."
  }
}

run "the_task_is_of_the_size_and_kind_asked_for" {
  command = plan

  module {
    source = "./modules/service"
  }

  variables {
    architecture          = "ARM64"
    cpu                   = 4096
    memory                = 8192
    ephemeral_storage_gib = 100
  }

  assert {
    condition     = aws_ecs_task_definition.this.cpu == "4096" && aws_ecs_task_definition.this.memory == "8192"
    error_message = "CPU and memory must be those asked for."
  }

  assert {
    condition     = aws_ecs_task_definition.this.runtime_platform[0].cpu_architecture == "ARM64" && aws_ecs_task_definition.this.ephemeral_storage[0].size_in_gib == 100
    error_message = "Architecture and disk must be those asked for."
  }
}

run "a_failed_deploy_rolls_back_and_scaling_restarts_nothing" {
  command = plan

  module {
    source = "./modules/service"
  }

  variables {
    desired_count = 10
  }

  assert {
    condition     = aws_ecs_service.this.desired_count == 10 && !coalesce(aws_ecs_service.this.force_new_deployment, false)
    error_message = "A new count must not restart the mappers that work."
  }

  assert {
    condition     = aws_ecs_service.this.deployment_circuit_breaker[0].enable && aws_ecs_service.this.deployment_circuit_breaker[0].rollback
    error_message = "A version that does not start must give way to the last one."
  }

  assert {
    condition     = aws_ecs_service.this.availability_zone_rebalancing == "DISABLED"
    error_message = "AWS must not stop a working task to balance zones."
  }

  assert {
    condition     = aws_ecs_service.this.propagate_tags == "SERVICE" && aws_ecs_service.this.enable_ecs_managed_tags
    error_message = "Tasks carry the stack's tags too."
  }
}

run "by_default_on_demand_public_and_closed_to_the_world" {
  command = plan

  module {
    source = "./modules/service"
  }

  assert {
    condition     = aws_ecs_service.this.network_configuration[0].assign_public_ip
    error_message = "Without NAT a task needs a public address to pull its image."
  }

  assert {
    condition     = { for strategy in aws_ecs_service.this.capacity_provider_strategy : strategy.capacity_provider => strategy.weight } == { FARGATE = 100 }
    error_message = "Without a Spot share there is no Spot."
  }

  assert {
    condition     = [for rule in aws_vpc_security_group_ingress_rule.http : rule.cidr_ipv4] == ["10.20.0.0/16"]
    error_message = "Nothing outside the VPC may reach a task unless it is named."
  }

  assert {
    condition     = aws_vpc_security_group_egress_rule.https.from_port == 443 && aws_vpc_security_group_egress_rule.https.to_port == 443
    error_message = "A task speaks HTTPS to AWS, and nothing else."
  }
}

run "allowed_ranges_may_call_the_port" {
  command = plan

  module {
    source = "./modules/service"
  }

  variables {
    # The VPC's range, given again, must not create a second equal rule, which EC2 refuses.
    allowed_cidrs = ["203.0.113.7/32", "10.20.0.0/16"]
  }

  assert {
    condition     = { for cidr, rule in aws_vpc_security_group_ingress_rule.http : cidr => "${rule.from_port}-${rule.to_port}" } == { "10.20.0.0/16" = "8080-8080", "203.0.113.7/32" = "8080-8080" }
    error_message = "Who is named may reach the service's port, and no other."
  }
}

run "cloud_map_answers_by_its_api_without_dns" {
  command = plan

  module {
    source = "./modules/service"
  }

  assert {
    condition     = aws_service_discovery_service.this[0].namespace_id == "ns-0123456789abcdef" && length(aws_service_discovery_service.this[0].dns_config) == 0
    error_message = "A service in an HTTP namespace may have no DNS records."
  }

  assert {
    condition     = one(aws_ecs_service.this.service_registries).registry_arn == aws_service_discovery_service.this[0].arn
    error_message = "ECS must register the tasks."
  }
}

run "cloud_map_answers_by_name" {
  command = plan

  module {
    source = "./modules/service"
  }

  variables {
    service_discovery = "dns"
  }

  assert {
    condition     = aws_service_discovery_service.this[0].dns_config[0].namespace_id == "ns-0123456789abcdef" && aws_service_discovery_service.this[0].dns_config[0].routing_policy == "MULTIVALUE" && aws_service_discovery_service.this[0].dns_config[0].dns_records[0].type == "A"
    error_message = "The name must resolve to the addresses of all tasks."
  }
}

run "without_cloud_map_nothing_is_registered" {
  command = plan

  module {
    source = "./modules/service"
  }

  variables {
    service_discovery = "none"
    namespace_id      = null
  }

  assert {
    condition     = length(aws_service_discovery_service.this) == 0 && length(aws_ecs_service.this.service_registries) == 0
    error_message = "An account that denies Cloud Map must be able to deploy."
  }

  assert {
    condition     = output.discovery_service_id == null && output.discovery_service_name == null
    error_message = "The driver must see that there is no Cloud Map service."
  }
}

run "private_subnets_of_a_network_with_two_ranges" {
  command = plan

  module {
    source = "./modules/service"
  }

  variables {
    assign_public_ip = false
    vpc_cidrs        = ["10.20.0.0/16", "100.64.0.0/20"]
    allowed_cidrs    = ["192.168.0.0/24"]
  }

  assert {
    condition     = !aws_ecs_service.this.network_configuration[0].assign_public_ip
    error_message = "A task in a private subnet gets no public address."
  }

  assert {
    condition = { for cidr, rule in aws_vpc_security_group_ingress_rule.http : cidr => rule.description } == {
      "10.20.0.0/16"   = "A client inside the VPC"
      "100.64.0.0/20"  = "A client inside the VPC"
      "192.168.0.0/24" = "A client outside the VPC"
    }
    error_message = "Every range of the VPC may call the tasks."
  }
}

run "keys_of_extra_buckets_decrypt_through_s3_alone" {
  command = plan

  module {
    source = "./modules/service"
  }

  variables {
    access = {
      other_buckets = ["other"]
      kms_key_arns  = ["arn:aws:kms:eu-central-1:123456789012:key/1", "arn:aws:kms:eu-central-1:999999999999:key/2"]
    }
  }

  assert {
    condition = [for statement in jsondecode(aws_iam_role_policy.task[0].policy).Statement : statement if statement.Sid == "DecryptExtraInputs"] == [{
      Sid       = "DecryptExtraInputs"
      Effect    = "Allow"
      Action    = ["kms:Decrypt"]
      Resource  = ["arn:aws:kms:eu-central-1:123456789012:key/1", "arn:aws:kms:eu-central-1:999999999999:key/2"]
      Condition = { StringEquals = { "kms:ViaService" = ["s3.eu-central-1.amazonaws.com"] } }
    }]
    error_message = "A task may decrypt what S3 reads for it, and nothing else."
  }
}

run "a_company_limits_the_roles" {
  command = plan

  module {
    source = "./modules/service"
  }

  variables {
    role_path                = "/teams/data/"
    permissions_boundary_arn = "arn:aws:iam::123456789012:policy/boundary"
  }

  assert {
    condition     = aws_iam_role.task[0].path == "/teams/data/" && aws_iam_role.task[0].permissions_boundary == "arn:aws:iam::123456789012:policy/boundary"
    error_message = "The task role must have the company's path and boundary."
  }
}

run "spot_share_is_the_percentage" {
  command = plan

  module {
    source = "./modules/service"
  }

  variables {
    spot_share = 70
  }

  assert {
    condition     = { for strategy in aws_ecs_service.this.capacity_provider_strategy : strategy.capacity_provider => strategy.weight } == { FARGATE = 30, FARGATE_SPOT = 70 }
    error_message = "The weights must be the percentages."
  }
}

run "no_role_is_created_beside_an_existing_one" {
  command = plan

  module {
    source = "./modules/service"
  }

  variables {
    existing_role_arn = "arn:aws:iam::123456789012:role/LabRole"
  }

  assert {
    condition     = length(aws_iam_role.task) == 0 && length(aws_iam_role_policy.task) == 0
    error_message = "AWS Academy allows no role to be created."
  }

  assert {
    condition     = aws_ecs_task_definition.this.task_role_arn == "arn:aws:iam::123456789012:role/LabRole"
    error_message = "The task must use the existing role."
  }
}

run "reject_a_role_that_is_no_name" {
  command = plan

  module {
    source = "./modules/service"
  }

  variables {
    role = "Front_end"
  }

  expect_failures = [var.role]
}
