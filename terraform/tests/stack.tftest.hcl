# The stack as a whole: the driver's outputs, and the effect of a change of one variable.

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

run "output_shapes" {
  command = plan

  variables {
    extra_input_buckets = ["other-bucket"]
  }

  assert {
    condition = {
      region              = output.region
      name                = output.name
      system              = output.system
      bucket              = output.bucket
      extra_input_buckets = output.extra_input_buckets
      cluster             = output.cluster
      service_discovery   = output.service_discovery
      namespace           = output.namespace
      allowed_cidrs       = output.allowed_cidrs
      address_kind        = output.address_kind
      assign_public_ip    = output.assign_public_ip
      architecture        = output.architecture
      spot_share          = output.spot_share
      image_tag           = output.image_tag
      alarms              = output.alarms
      dashboard           = output.dashboard
      } == {
      region              = "eu-central-1"
      name                = "mapreduce"
      system              = "mapreduce"
      bucket              = "mapreduce-123456789012-eu-central-1"
      extra_input_buckets = tolist(["other-bucket"])
      cluster             = "mapreduce"
      service_discovery   = "api"
      namespace           = "mapreduce"
      allowed_cidrs       = tolist(["203.0.113.7/32"])
      address_kind        = "public"
      assign_public_ip    = true
      architecture        = "X86_64"
      spot_share          = 0
      image_tag           = "0123abcd"
      alarms              = false
      dashboard           = false
    }
    error_message = "driver/cloud/stack.py reads these outputs: change both, or neither."
  }

  assert {
    condition     = output.signing_key_parameter == "/mapreduce/signing-key"
    error_message = "The driver reads the key by the parameter's name."
  }

  assert {
    condition     = output.repository_urls == { for role in ["driver", "guard", "mapper", "reducer", "splitter"] : role => "123456789012.dkr.ecr.eu-central-1.amazonaws.com/mapreduce/service" }
    error_message = "The deploy script pushes an image to each."
  }

  assert {
    condition     = keys(output.services) == ["mapper", "reducer", "splitter"]
    error_message = "There are three services, by role."
  }

  assert {
    condition = output.services.mapper == {
      service_name           = "mapper"
      task_definition_arn    = "arn:aws:ecs:eu-central-1:123456789012:task-definition/mapreduce-service:1"
      discovery_service_id   = "srv-0123456789abcdef"
      discovery_service_name = "mapper"
      container_name         = "mapper"
      port                   = 8080
      log_group              = "/ecs/mapreduce/mapper"
      desired_count          = 3
      cpu                    = 1024
      memory                 = 2048
    }
    error_message = "driver/cloud/stack.py reads these fields of each service: change both, or neither."
  }
}

run "the_services_get_the_settings_that_they_read" {
  command = plan

  variables {
    extra_input_buckets = ["other"]
  }

  assert {
    condition = local.environments.mapper == {
      MAPREDUCE_EXTRA_INPUTS = "[\"s3://other/\"]"
      MAPREDUCE_HOST         = "0.0.0.0"
      MAPREDUCE_IMAGE_TAG    = "0123abcd"
      MAPREDUCE_MEMORY_MB    = "2048"
      MAPREDUCE_SCRATCH      = "/scratch"
      MAPREDUCE_SLOTS        = "1"
      MAPREDUCE_STORE        = "s3://mapreduce-123456789012-eu-central-1"
      MAPREDUCE_TLS          = "true"
    }
    error_message = "The services' settings read these names, MAPREDUCE_PORT and MAPREDUCE_SIGNING_KEY: change both, or neither."
  }
}

run "a_slot_for_each_vcpu_and_one_for_a_part" {
  command = plan

  variables {
    mapper_cpu     = 256
    mapper_memory  = 512
    reducer_cpu    = 4096
    reducer_memory = 8192
    # These override the stack's settings.
    extra_environment = { MAPREDUCE_STORE = "s3://elsewhere", LOG_LEVEL = "debug" }
    image_digests     = { reducer = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef" }
  }

  assert {
    condition     = local.environments.mapper.MAPREDUCE_SLOTS == "1" && local.environments.mapper.MAPREDUCE_MEMORY_MB == "512" && local.environments.reducer.MAPREDUCE_SLOTS == "4"
    error_message = "A quarter of a vCPU still works on one task, and four vCPUs on four."
  }

  assert {
    condition     = local.environments.mapper.MAPREDUCE_STORE == "s3://elsewhere" && local.environments.mapper.LOG_LEVEL == "debug"
    error_message = "extra_environment must win."
  }

  assert {
    condition     = local.environments.mapper.MAPREDUCE_IMAGE_TAG == "0123abcd" && startswith(local.environments.reducer.MAPREDUCE_IMAGE_TAG, "sha256:0123")
    error_message = "A service says in /health which image it runs."
  }
}

run "each_role_uses_its_own_objects" {
  command = plan

  variables {
    extra_input_buckets = ["other"]
    extra_kms_key_arns  = ["arn:aws:kms:eu-central-1:123456789012:key/1"]
  }

  assert {
    condition     = [for role in ["mapper", "reducer", "splitter"] : can(local.access[role].other_buckets)] == [true, false, true]
    error_message = "Reducers read no input."
  }

  assert {
    condition     = alltrue([for role in keys(local.services) : alltrue([for name in local.access[role].writes : can(regex("attempt-|^chunks/|^pairs/states/", name))])])
    error_message = "A task may not write a result's name: only the driver commits."
  }
}

run "by_default_intermediate_data_expires_and_a_user_may_let_more" {
  command = plan

  variables {
    input_retention_days = 30
    code_retention_days  = 60
    run_retention_days   = 365
    task_retention_days  = 90
  }

  assert {
    condition     = local.retention_days == { chunks = 7, maps = 7, pairs = 7, fleet = 7, forecasts = 365, index = 365, input = 30, jobs = 60, packages = 60, runs = 365, tasks = 90 }
    error_message = "Each folder expires after its days, and reduce/ has no rule."
  }
}

run "baseline_of_three_mappers" {
  command = plan
}

run "only_count_changes_with_mapper_count" {
  command = plan

  variables {
    mapper_count = 10
  }

  assert {
    condition     = output.services.mapper.desired_count == 10 && run.baseline_of_three_mappers.services.mapper.desired_count == 3
    error_message = "mapper_count must be the number of mappers."
  }

  assert {
    condition     = merge(output.services.mapper, { desired_count = 3 }) == run.baseline_of_three_mappers.services.mapper
    error_message = "mapper_count must change nothing about a mapper but its number."
  }

  assert {
    condition     = { for role, service in output.services : role => service if role != "mapper" } == { for role, service in run.baseline_of_three_mappers.services : role => service if role != "mapper" }
    error_message = "mapper_count must not change the other services."
  }
}

run "an_image_is_named_by_its_digest_if_there_is_one" {
  command = plan

  variables {
    image_digests = {
      mapper = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
    }
  }

  assert {
    condition     = endswith(local.images.mapper, "/mapreduce/service@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef")
    error_message = "A service whose role has a digest must run the image of that digest."
  }

  assert {
    condition     = endswith(local.images.reducer, "/mapreduce/service:0123abcd") && output.image_tag == "0123abcd"
    error_message = "A service without a digest must run the image of the tag."
  }
}

run "all_counts_may_be_zero" {
  command = plan

  variables {
    splitter_count = 0
    mapper_count   = 0
    reducer_count  = 0
  }

  assert {
    condition     = alltrue([for service in output.services : service.desired_count == 0])
    error_message = "A stopped stack keeps its services, without tasks."
  }

  assert {
    condition     = output.guard != null && local.guard_count == 0
    error_message = "There is nothing to guard in a stopped stack; a run starts the guard."
  }
}

run "spot_is_for_mappers_alone" {
  command = plan

  variables {
    spot_share = 70
  }

  assert {
    condition     = { for role, service in local.services : role => service.spot_share } == { splitter = 0, mapper = 70, reducer = 0 }
    error_message = "A lost reduce task repeats the whole stage: only mappers may run on Spot."
  }
}

run "the_existing_role_reaches_every_task" {
  command = plan

  variables {
    existing_role_name = "LabRole"
  }

  assert {
    condition     = module.cluster.execution_role_arn == "arn:aws:iam::123456789012:role/LabRole" && module.cluster.existing_role_arn == "arn:aws:iam::123456789012:role/LabRole"
    error_message = "With existing_role_name one role starts the tasks and runs in them."
  }

  assert {
    condition     = output.service_discovery == "none" && output.namespace == null && alltrue([for service in output.services : service.discovery_service_id == null && service.discovery_service_name == null])
    error_message = "AWS Academy denies Cloud Map: the stack must do without."
  }
}

run "a_lab_that_allows_cloud_map_may_use_it" {
  command = plan

  variables {
    existing_role_name = "LabRole"
    service_discovery  = "api"
  }

  assert {
    condition     = output.service_discovery == "api" && output.namespace == "mapreduce"
    error_message = "A value that a user sets must win over the default."
  }
}

run "names_in_the_vpc_if_asked_for" {
  command = plan

  variables {
    service_discovery = "dns"
  }

  assert {
    condition     = output.service_discovery == "dns" && output.namespace == "mapreduce.internal" && output.services.mapper.discovery_service_name == "mapper"
    error_message = "dns must have a namespace whose names resolve."
  }
}

run "no_cloud_map_if_not_wanted" {
  command = plan

  variables {
    service_discovery = "none"
  }

  assert {
    condition     = output.service_discovery == "none" && output.namespace == null
    error_message = "none must have no namespace."
  }
}

run "private_subnets_of_a_company" {
  command = plan

  variables {
    vpc_id                   = "vpc-0123456789abcdef0"
    subnet_ids               = ["subnet-0a", "subnet-0b"]
    assign_public_ip         = false
    address_kind             = "private"
    permissions_boundary_arn = "arn:aws:iam::123456789012:policy/boundary"
    role_path                = "/teams/data/"
  }

  assert {
    condition     = length(module.network) == 0 && module.existing_network[0].vpc_id == "vpc-0123456789abcdef0"
    error_message = "In a company's network the stack makes no VPC, subnet, gateway or endpoint."
  }

  assert {
    condition     = output.assign_public_ip == false && output.address_kind == "private"
    error_message = "The driver must call private addresses, and count no public ones."
  }
}

run "the_stack_can_be_found_by_its_tags" {
  command = plan

  variables {
    name       = "course"
    extra_tags = { CostCentre = "42" }
  }

  assert {
    condition     = local.tags == { CostCentre = "42", Project = "mapreduce-on-fargate", Stack = "course", System = "mapreduce", ManagedBy = "terraform" }
    error_message = "Everything must carry Project, Stack, System and ManagedBy."
  }
}

run "no_client_outside_is_admitted_by_default" {
  command = plan

  variables {
    allowed_cidrs = []
    driver        = false
  }

  # The warning. (The service's tests check that an empty list opens nothing.)
  expect_failures = [check.the_driver_can_reach_the_services]
}

run "a_driver_inside_needs_no_open_address" {
  command = plan

  variables {
    allowed_cidrs = []
    address_kind  = "private"
  }

  assert {
    condition     = output.address_kind == "private"
    error_message = "address_kind is handed to the driver as it is."
  }
}

run "a_guard_stops_an_idle_stack" {
  command = plan

  assert {
    condition     = output.idle_stop_minutes == 30 && output.guard.service_name == "guard" && output.guard.log_group == "/ecs/mapreduce/guard" && local.guard_count == 1
    error_message = "driver/cloud/stack.py reads these outputs; a stack that runs is guarded."
  }
}

run "without_a_limit_there_is_no_guard" {
  command = plan

  variables {
    idle_stop_minutes = 0
  }

  assert {
    condition     = output.guard == null
    error_message = "0 minutes: no guard."
  }
}

run "reject_a_limit_of_more_than_a_day" {
  command = plan

  variables {
    idle_stop_minutes = 1441
  }

  expect_failures = [var.idle_stop_minutes]
}
