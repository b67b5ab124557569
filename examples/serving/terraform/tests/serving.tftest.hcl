# The stack of the serving example: who may call whom, what a change of one variable does, and what
# is refused.

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
    parameter_name = "/serving/signing-key"
    parameter_arn  = "arn:aws:ssm:eu-central-1:123456789012:parameter/serving/signing-key"
  }
}

variables {
  region        = "eu-central-1"
  image_tag     = "0123abcd"
  allowed_cidrs = ["203.0.113.7/32"]
  model_version = "1"
}

run "output_shapes" {
  command = plan

  assert {
    condition = {
      region            = output.region
      name              = output.name
      system            = output.system
      service_discovery = output.service_discovery
      namespace         = output.namespace
      allowed_cidrs     = output.allowed_cidrs
      assign_public_ip  = output.assign_public_ip
      architecture      = output.architecture
      image_tag         = output.image_tag
      model_version     = output.model_version
      } == {
      region            = "eu-central-1"
      name              = "serving"
      system            = "serving"
      service_discovery = "api"
      namespace         = "serving"
      allowed_cidrs     = tolist(["203.0.113.7/32"])
      assign_public_ip  = true
      architecture      = "X86_64"
      image_tag         = "0123abcd"
      model_version     = "1"
    }
    error_message = "the outputs have other values"
  }

  assert {
    condition     = keys(output.services) == ["model", "router"] && keys(output.repository_urls) == ["model", "router"]
    error_message = "the services or the repositories are others"
  }

  assert {
    condition     = output.services["router"].port == 8080 && output.services["model"].port == 9000 && output.services["model"].desired_count == 2
    error_message = "the ports or the number of model tasks are others"
  }

  assert {
    condition     = output.services["router"].discovery_service_name == null && output.services["model"].discovery_service_name == "model"
    error_message = "Cloud Map must have the model tasks, and not the router"
  }
}

run "only_the_router_can_be_called" {
  command = plan

  assert {
    condition     = module.service["router"].allowed_cidrs == tolist(["203.0.113.7/32"]) && length(module.service["model"].allowed_cidrs) == 0
    error_message = "a range of addresses may call the model, or one may not call the router"
  }

  assert {
    condition     = local.services["router"].is_public && !local.services["model"].is_public
    error_message = "the VPC's own addresses may call the router alone"
  }

  assert {
    condition = (
      keys(aws_vpc_security_group_ingress_rule.model) == ["model"]
      && aws_vpc_security_group_ingress_rule.model["model"].from_port == 9000
      && aws_vpc_security_group_ingress_rule.model["model"].to_port == 9001
      && aws_vpc_security_group_ingress_rule.model["model"].cidr_ipv4 == null
      && aws_vpc_security_group_egress_rule.router["model"].to_port == 9001
    )
    error_message = "the router must reach both containers of a model task, and nothing else"
  }
}

run "no_model_task_without_a_version" {
  command = plan

  variables {
    model_version = null
  }

  assert {
    condition     = output.services["model"].desired_count == 0 && output.services["router"].desired_count == 1
    error_message = "a model task would have nothing to load"
  }
}

run "containers_of_a_task_have_ports_of_their_own" {
  command = plan

  variables {
    containers_per_task = 4
  }

  assert {
    condition     = local.router_environment.ROUTER_MODELS == "cloudmap://serving/model?ports=9000-9003"
    error_message = "the router must look for four containers"
  }

  assert {
    condition     = aws_vpc_security_group_ingress_rule.model["model"].to_port == 9003
    error_message = "the rule must let the router reach four containers"
  }
}

run "a_canary_is_a_service_of_its_own" {
  command = plan

  variables {
    canary_version = "2"
    canary_percent = 25
  }

  assert {
    condition     = keys(output.services) == ["canary", "model", "router"] && output.services["canary"].desired_count == 1
    error_message = "there must be a canary service"
  }

  assert {
    condition     = local.services["canary"].environment.MODEL_VERSION == "2" && local.services["model"].environment.MODEL_VERSION == "1"
    error_message = "the canary must have the new version, and the others the old one"
  }

  assert {
    condition     = local.router_environment.ROUTER_CANARY == "cloudmap://serving/canary?ports=9000-9001" && local.router_environment.ROUTER_CANARY_PERCENT == "25"
    error_message = "the router must send the canary its share"
  }

  assert {
    condition     = keys(aws_vpc_security_group_ingress_rule.model) == ["canary", "model"]
    error_message = "the router must reach the canary"
  }
}

run "a_shadow_gets_copies_only" {
  command = plan

  variables {
    canary_version = "2"
    shadow         = true
  }

  assert {
    condition     = local.router_environment.ROUTER_SHADOW == "cloudmap://serving/canary?ports=9000-9001" && !contains(keys(local.router_environment), "ROUTER_CANARY")
    error_message = "a shadow must not answer"
  }
}

run "several_routers_choose_by_two_random_containers" {
  command = plan

  variables {
    router_count = 2
  }

  assert {
    condition     = local.router_environment.ROUTER_POLICY == "two-choices"
    error_message = "several routers that choose the least busy container herd"
  }
}

# Interface with Python: examples/serving reads these variables.
run "environment" {
  command = plan

  variables {
    metrics = true
  }

  assert {
    condition     = keys(local.services["model"].environment) == ["MODEL_HOST", "MODEL_IMAGE_TAG", "MODEL_LATENCY_MS", "MODEL_METRICS_S", "MODEL_NAME", "MODEL_STACK", "MODEL_STORE", "MODEL_TLS", "MODEL_VERSION"]
    error_message = "the model's settings have other names"
  }

  assert {
    condition     = keys(local.services["router"].environment) == ["ROUTER_ALLOW_PLAIN_HTTP", "ROUTER_HOST", "ROUTER_IMAGE_TAG", "ROUTER_MODELS", "ROUTER_MODEL_TLS", "ROUTER_POLICY"]
    error_message = "the router's settings have other names"
  }

  assert {
    condition     = local.services["model"].environment.MODEL_METRICS_S == "60"
    error_message = "metrics must be logged each minute"
  }
}

run "least_privilege" {
  command = plan

  assert {
    condition     = local.services["model"].access == { reads = ["models"] } && length(local.services["model"].statements) == 0
    error_message = "a model task may read models, and nothing else"
  }

  assert {
    condition     = local.services["router"].access == {} && local.services["router"].statements[0].Action == ["servicediscovery:DiscoverInstances"]
    error_message = "the router may find tasks, and nothing else"
  }
}

run "reject_a_canary_without_a_version" {
  command = plan

  variables {
    model_version  = null
    canary_version = "2"
  }

  expect_failures = [var.canary_version]
}

run "reject_a_version_that_no_path_can_hold" {
  command = plan

  variables {
    model_version = "../1"
  }

  expect_failures = [var.model_version]
}

run "reject_a_percentage_over_100" {
  command = plan

  variables {
    canary_percent = 101
  }

  expect_failures = [var.canary_percent]
}

run "reject_eleven_containers" {
  command = plan

  variables {
    containers_per_task = 11
  }

  expect_failures = [var.containers_per_task]
}

run "reject_a_signing_key_in_plain_text" {
  command = plan

  variables {
    extra_environment = { MODEL_SIGNING_KEY = "0" }
  }

  expect_failures = [var.extra_environment]
}

run "reject_latest" {
  command = plan

  variables {
    image_tag = "latest"
  }

  expect_failures = [var.image_tag]
}

run "warn_if_no_client_is_allowed" {
  command = plan

  variables {
    allowed_cidrs = []
  }

  expect_failures = [check.someone_can_call_the_router]
}
