# The stack as a whole: its outputs, what the containers are told, who may call whom, and what a
# change of one variable changes.

mock_provider "aws" {
  source          = "../../../terraform/tests/mocks"
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
    parameter_name = "/parameter-server/signing-key"
    parameter_arn  = "arn:aws:ssm:eu-central-1:123456789012:parameter/parameter-server/signing-key"
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
    server_count = 2
  }

  assert {
    condition = {
      region                = output.region
      name                  = output.name
      system                = output.system
      service_discovery     = output.service_discovery
      namespace             = output.namespace
      architecture          = output.architecture
      allowed_cidrs         = output.allowed_cidrs
      assign_public_ip      = output.assign_public_ip
      image_tag             = output.image_tag
      spot_shares           = output.spot_shares
      dns_names             = output.dns_names
      address               = output.parameter_server_address
      signing_key_parameter = output.signing_key_parameter
      repositories          = tolist(keys(output.repository_urls))
      roles                 = tolist(keys(output.services))
      } == {
      region            = "eu-central-1"
      name              = "parameter-server"
      system            = "parameter-server"
      service_discovery = "dns"
      namespace         = "parameter-server.local"
      architecture      = "X86_64"
      allowed_cidrs     = tolist(["203.0.113.7/32"])
      assign_public_ip  = true
      image_tag         = "0123abcd"
      spot_shares       = { worker = 0 }
      dns_names = {
        parameter-server   = "parameter-server.parameter-server.local"
        parameter-server-1 = "parameter-server-1.parameter-server.local"
      }
      address               = "parameter-server.parameter-server.local:8000,parameter-server-1.parameter-server.local:8000"
      signing_key_parameter = "/parameter-server/signing-key"
      repositories          = tolist(["parameter-server"])
      roles                 = tolist(["parameter-server", "parameter-server-1", "worker"])
    }
    error_message = "An output, or a role in one, has changed: driver/cloud/stack.py and the command line read them."
  }

  assert {
    condition = {
      for role, service in output.services : role => "${jsonencode(service.port)} ${service.desired_count} ${service.cpu} ${service.memory} ${jsonencode(service.discovery_service_name)}"
      } == {
      parameter-server   = "8000 1 1024 2048 \"parameter-server\""
      parameter-server-1 = "8000 1 1024 2048 \"parameter-server-1\""
      worker             = "null 16 256 512 null"
    }
    error_message = "Each server is one task that Cloud Map knows; the workers are one service that nothing calls."
  }

  assert {
    condition = output.log_groups == {
      parameter-server   = "/ecs/parameter-server/parameter-server"
      parameter-server-1 = "/ecs/parameter-server/parameter-server-1"
      worker             = "/ecs/parameter-server/worker"
    }
    error_message = "Each service has its log group."
  }
}

# A test beside examples/parameter_server/settings.py pins the names too.
run "containers_get_the_settings_that_they_read" {
  command = plan

  variables {
    server_count           = 2
    total_workers_expected = 3
    extra_environment      = { PS_LOG_LEVEL = "DEBUG" }
  }

  assert {
    condition = local.server_environments["parameter-server-1"] == {
      PARAMETER_SERVER_ADDRESS = "parameter-server.parameter-server.local:8000,parameter-server-1.parameter-server.local:8000"
      PS_IMAGE_TAG             = "0123abcd"
      PS_LOG_LEVEL             = "DEBUG"
      PS_SHARD                 = "1"
      PS_STACK                 = "parameter-server"
      PS_STORE                 = "s3://mapreduce-123456789012-eu-central-1"
      SERVER_HOST              = "0.0.0.0"
      TOTAL_WORKERS_EXPECTED   = "3"
    }
    error_message = "A server is told its range, its store and how many workers to wait for."
  }

  assert {
    condition = local.worker_environment == {
      PARAMETER_SERVER_ADDRESS = "parameter-server.parameter-server.local:8000,parameter-server-1.parameter-server.local:8000"
      PS_IMAGE_TAG             = "0123abcd"
      PS_LOG_LEVEL             = "DEBUG"
    }
    error_message = "A worker is told where the servers are, and nothing of a store or of a number of workers."
  }
}

run "only_workers_and_the_first_server_call_a_server" {
  command = plan

  variables {
    server_count = 3
  }

  assert {
    condition = toset(keys(aws_vpc_security_group_ingress_rule.call)) == toset([
      "worker-to-parameter-server",
      "worker-to-parameter-server-1",
      "worker-to-parameter-server-2",
      "parameter-server-to-parameter-server-1",
      "parameter-server-to-parameter-server-2",
    ])
    error_message = "Workers call every server, and server 0 the others; no other calls a server, and none a worker."
  }

  assert {
    condition     = toset(keys(aws_vpc_security_group_egress_rule.call)) == toset(keys(aws_vpc_security_group_ingress_rule.call))
    error_message = "What a server lets in, its caller lets out."
  }

  assert {
    condition     = alltrue([for rule in values(aws_vpc_security_group_ingress_rule.call) : rule.from_port == 8000 && rule.to_port == 8000 && rule.ip_protocol == "tcp"])
    error_message = "Only gRPC's port is open."
  }

  assert {
    condition     = output.allowed_cidrs == tolist(["203.0.113.7/32"]) && length(module.server["parameter-server-1"].allowed_cidrs) == 0
    error_message = "From outside the VPC only allowed_cidrs may call, server 0 alone, and no range of the VPC."
  }
}

# TOTAL_WORKERS_EXPECTED has a variable of its own: beside any number of workers, a server's task is
# the same, so that a change of worker_count replaces no server.
run "servers_beside_16_workers" {
  command = plan

  variables {
    worker_count = 16
  }

  assert {
    condition = local.server_environments == {
      parameter-server = {
        PARAMETER_SERVER_ADDRESS = "parameter-server.parameter-server.local:8000"
        PS_IMAGE_TAG             = "0123abcd"
        PS_SHARD                 = "0"
        PS_STACK                 = "parameter-server"
        PS_STORE                 = "s3://mapreduce-123456789012-eu-central-1"
        SERVER_HOST              = "0.0.0.0"
        TOTAL_WORKERS_EXPECTED   = "1"
      }
    }
    error_message = "worker_count must not reach a server's environment: that would replace the server."
  }

  assert {
    condition     = { for role, service in output.services : role => service.desired_count } == { parameter-server = 1, worker = 16 }
    error_message = "worker_count is the number of workers, and changes no number of servers."
  }
}

run "servers_beside_2_workers" {
  command = plan

  variables {
    worker_count = 2
  }

  assert {
    condition = local.server_environments == {
      parameter-server = {
        PARAMETER_SERVER_ADDRESS = "parameter-server.parameter-server.local:8000"
        PS_IMAGE_TAG             = "0123abcd"
        PS_SHARD                 = "0"
        PS_STACK                 = "parameter-server"
        PS_STORE                 = "s3://mapreduce-123456789012-eu-central-1"
        SERVER_HOST              = "0.0.0.0"
        TOTAL_WORKERS_EXPECTED   = "1"
      }
    }
    error_message = "worker_count must not reach a server's environment: that would replace the server."
  }

  assert {
    condition     = { for role, service in output.services : role => service.desired_count } == { parameter-server = 1, worker = 2 }
    error_message = "worker_count is the number of workers, and changes no number of servers."
  }
}

run "a_stopped_stack_costs_no_task" {
  command = plan

  variables {
    stopped = true
  }

  assert {
    condition     = { for role, service in output.services : role => service.desired_count } == { parameter-server = 0, worker = 0 }
    error_message = "stopped stops servers and workers."
  }
}

run "a_digest_wins_over_the_tag" {
  command = plan

  variables {
    image_digests = { parameter-server = "sha256:0000000000000000000000000000000000000000000000000000000000000000" }
  }

  assert {
    condition     = endswith(local.image, "@sha256:0000000000000000000000000000000000000000000000000000000000000000") && startswith(local.worker_environment.PS_IMAGE_TAG, "sha256:")
    error_message = "A digest names the image."
  }
}

run "dashboard" {
  command = plan

  variables {
    dashboard = true
  }

  assert {
    condition     = output.dashboard == "parameter-server-eu-central-1"
    error_message = "The dashboard is an option."
  }
}

run "reject_wrong_values" {
  command = plan

  variables {
    worker_count           = -1
    total_workers_expected = 1.5
    server_count           = 0
    spot_share             = 101
    worker_cpu             = 100
    server_memory          = 1000
    log_retention_days     = 2
    run_retention_days     = -1
    vpc_cidr               = "10.22.0.1/24"
    image_digests          = { worker = "sha256:00" }
    allowed_cidrs          = ["203.0.113.7/24"]
    existing_role_name     = ""
    extra_environment      = { PS_SIGNING_KEY = "x" }
    name                   = "sg-x"
    region                 = "europe"
    architecture           = "ARM"
    image_tag              = "latest"
  }

  expect_failures = [
    var.worker_count, var.total_workers_expected, var.server_count, var.spot_share, var.worker_cpu,
    var.server_memory, var.log_retention_days, var.run_retention_days,
    var.vpc_cidr, var.image_digests, var.allowed_cidrs, var.existing_role_name,
    var.extra_environment, var.name, var.region, var.architecture, var.image_tag,
  ]
}

run "reject_a_size_that_fargate_does_not_have" {
  command = plan

  variables {
    worker_memory = 700
    server_cpu    = 4096
    server_memory = 4096
  }

  expect_failures = [var.worker_memory, var.server_memory]
}
