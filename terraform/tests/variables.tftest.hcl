# The values that variables must refuse, and some that they must accept.

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

variables {
  region        = "eu-central-1"
  image_tag     = "0123abcd"
  allowed_cidrs = ["203.0.113.7/32"]
}

run "reject_counts_that_are_not_whole_or_negative" {
  command = plan

  variables {
    splitter_count = -1
    mapper_count   = 2.5
    reducer_count  = -3
  }

  expect_failures = [var.splitter_count, var.mapper_count, var.reducer_count]
}

run "reject_cpu_that_fargate_does_not_have" {
  command = plan

  variables {
    splitter_cpu = 128
    mapper_cpu   = 1000
    reducer_cpu  = 32768
  }

  expect_failures = [var.splitter_cpu, var.mapper_cpu, var.reducer_cpu]
}

run "reject_memory_outside_the_range_of_its_cpu" {
  command = plan

  variables {
    splitter_cpu    = 256
    splitter_memory = 4096
    mapper_cpu      = 512
    mapper_memory   = 512
    reducer_cpu     = 4096
    reducer_memory  = 31744
  }

  expect_failures = [var.splitter_memory, var.mapper_memory, var.reducer_memory]
}

run "reject_memory_between_the_steps_of_its_cpu" {
  command = plan

  variables {
    splitter_cpu    = 256
    splitter_memory = 1536
    mapper_cpu      = 8192
    mapper_memory   = 17408
    reducer_cpu     = 16384
    reducer_memory  = 36864
  }

  expect_failures = [var.splitter_memory, var.mapper_memory, var.reducer_memory]
}

run "accept_the_corners_of_the_fargate_table" {
  command = plan

  variables {
    splitter_cpu    = 256
    splitter_memory = 512
    mapper_cpu      = 8192
    mapper_memory   = 20480
    reducer_cpu     = 16384
    reducer_memory  = 122880
  }

  assert {
    condition     = output.services.reducer.memory == 122880
    error_message = "The largest task of Fargate must be allowed."
  }
}

run "reject_a_name_that_s3_refuses" {
  command = plan

  variables {
    name = "Distributed_Systems"
  }

  expect_failures = [var.name]
}

run "reject_a_name_that_a_security_group_may_not_have" {
  command = plan

  variables {
    name = "sg-course"
  }

  expect_failures = [var.name]
}

run "reject_ranges_that_aws_would_rewrite" {
  command = plan

  variables {
    vpc_cidr      = "10.20.0.1/16"
    allowed_cidrs = ["203.0.113.7/24"]
  }

  expect_failures = [var.vpc_cidr, var.allowed_cidrs]
}

run "reject_a_vpc_too_small_and_an_address_without_a_range" {
  command = plan

  variables {
    vpc_cidr      = "10.20.0.0/28"
    allowed_cidrs = ["203.0.113.7"]
  }

  expect_failures = [var.vpc_cidr, var.allowed_cidrs]
}

run "reject_words_that_are_no_choice" {
  command = plan

  variables {
    region       = "Frankfurt"
    image_tag    = "latest"
    architecture = "arm"
    address_kind = "elastic"
  }

  expect_failures = [var.region, var.image_tag, var.architecture, var.address_kind]
}

run "reject_a_digest_that_is_none" {
  command = plan

  variables {
    image_digests = { mapper = "0123abcd" }
  }

  expect_failures = [var.image_digests]
}

run "reject_a_digest_of_no_role" {
  command = plan

  variables {
    image_digests = { combiner = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef" }
  }

  expect_failures = [var.image_digests]
}

run "reject_amounts_out_of_range" {
  command = plan

  variables {
    spot_share                  = 101
    ephemeral_storage_gib       = 10
    log_retention_days          = 10
    intermediate_retention_days = 0
  }

  expect_failures = [
    var.spot_share, var.ephemeral_storage_gib, var.log_retention_days, var.intermediate_retention_days,
  ]
}

run "reject_urls_and_arns_where_names_belong" {
  command = plan

  variables {
    extra_input_buckets = ["s3://other"]
    existing_role_name  = "arn:aws:iam::123456789012:role/LabRole"
  }

  expect_failures = [var.extra_input_buckets, var.existing_role_name]
}

run "reject_what_would_hide_the_stacks_own" {
  command = plan

  variables {
    extra_environment = { MAPREDUCE_SIGNING_KEY = "guessed" }
    extra_tags        = { Stack = "another" }
  }

  expect_failures = [var.extra_environment, var.extra_tags]
}

run "reject_kinds_of_discovery_that_do_not_exist_and_aliases_of_keys" {
  command = plan

  variables {
    service_discovery  = "cloudmap"
    extra_kms_key_arns = ["arn:aws:kms:eu-central-1:123456789012:alias/data"]
  }

  expect_failures = [var.service_discovery, var.extra_kms_key_arns]
}

run "reject_a_network_without_subnets" {
  command = plan

  variables {
    vpc_id = "vpc-0123456789abcdef0"
  }

  expect_failures = [var.vpc_id]
}

run "reject_subnets_without_a_network" {
  command = plan

  variables {
    subnet_ids = ["subnet-0a"]
  }

  expect_failures = [var.vpc_id]
}

run "reject_the_name_of_a_network" {
  command = plan

  variables {
    vpc_id     = "main"
    subnet_ids = ["subnet-0a"]
  }

  expect_failures = [var.vpc_id]
}

run "reject_the_name_of_a_subnet" {
  command = plan

  variables {
    vpc_id     = "vpc-0123456789abcdef0"
    subnet_ids = ["private-a"]
  }

  expect_failures = [var.subnet_ids]
}

run "reject_a_subnet_named_twice" {
  command = plan

  variables {
    vpc_id     = "vpc-0123456789abcdef0"
    subnet_ids = ["subnet-0a", "subnet-0a"]
  }

  expect_failures = [var.subnet_ids]
}

run "reject_public_calls_of_private_tasks" {
  command = plan

  variables {
    vpc_id           = "vpc-0123456789abcdef0"
    subnet_ids       = ["subnet-0a"]
    assign_public_ip = false
  }

  expect_failures = [var.assign_public_ip]
}

run "reject_private_tasks_in_the_stacks_own_subnets" {
  command = plan

  variables {
    assign_public_ip = false
    address_kind     = "private"
  }

  expect_failures = [var.assign_public_ip]
}

run "reject_a_boundary_that_is_no_policy_and_a_path_without_slashes" {
  command = plan

  variables {
    permissions_boundary_arn = "boundary"
    role_path                = "teams/data"
  }

  expect_failures = [var.permissions_boundary_arn, var.role_path]
}

run "reject_days_that_are_not_whole_or_negative" {
  command = plan

  variables {
    input_retention_days = -1
    code_retention_days  = 0.5
    run_retention_days   = -30
    task_retention_days  = 1.5
  }

  expect_failures = [
    var.input_retention_days, var.code_retention_days, var.run_retention_days, var.task_retention_days,
  ]
}

run "reject_a_budget_without_an_address" {
  command = plan

  variables {
    monthly_budget_usd = 20
  }

  expect_failures = [var.monthly_budget_usd]
}

run "reject_an_address_without_a_budget" {
  command = plan

  variables {
    budget_email = "you@example.com"
  }

  expect_failures = [var.monthly_budget_usd]
}

run "reject_an_address_without_an_at" {
  command = plan

  variables {
    monthly_budget_usd = 20
    budget_email       = "you"
  }

  expect_failures = [var.budget_email]
}

run "reject_a_budget_of_nothing" {
  command = plan

  variables {
    monthly_budget_usd = 0
    budget_email       = "you@example.com"
  }

  expect_failures = [var.monthly_budget_usd]
}

run "reject_a_schedule_of_unix_and_a_clock_without_a_place" {
  command = plan

  variables {
    nightly_stop          = "0 22 * * *"
    nightly_stop_timezone = "GMT+2 (summer)"
  }

  expect_failures = [var.nightly_stop, var.nightly_stop_timezone]
}

run "reject_a_schedule_where_no_role_may_be_made" {
  command = plan

  variables {
    nightly_stop       = "cron(0 22 * * ? *)"
    existing_role_name = "LabRole"
  }

  expect_failures = [var.nightly_stop]
}

run "reject_a_topic_without_alarms_and_a_topic_that_is_none" {
  command = plan

  variables {
    alarm_topic_arn = "you@example.com"
  }

  expect_failures = [var.alarm_topic_arn]
}
