# The stack as a whole: its outputs, the settings of the container, and what a change of one variable
# changes.

mock_provider "aws" {
  source          = "../../../terraform/tests/mocks"
  override_during = plan
}

variables {
  region        = "eu-central-1"
  image_tag     = "0123abcd"
  allowed_cidrs = ["203.0.113.7/32"]
}

run "output_shapes" {
  command = plan

  assert {
    condition = {
      region            = output.region
      name              = output.name
      system            = output.system
      bucket            = output.bucket
      cluster           = output.cluster
      service_discovery = output.service_discovery
      architecture      = output.architecture
      allowed_cidrs     = output.allowed_cidrs
      assign_public_ip  = output.assign_public_ip
      image_tag         = output.image_tag
      roles             = tolist(keys(output.repository_urls))
      } == {
      region            = "eu-central-1"
      name              = "albums"
      system            = "albums"
      bucket            = "mapreduce-123456789012-eu-central-1"
      cluster           = "albums"
      service_discovery = "none"
      architecture      = "X86_64"
      allowed_cidrs     = tolist(["203.0.113.7/32"])
      assign_public_ip  = true
      image_tag         = "0123abcd"
      roles             = tolist(["albums"])
    }
    error_message = "driver/cloud/stack.py and examples/albums/addresses.py read these outputs: change all, or none."
  }

  assert {
    condition     = output.namespace == null && output.load_balancer_url == null
    error_message = "Without Cloud Map and a load balancer, ECS tells the tasks' addresses."
  }

  assert {
    condition = output.services == {
      albums = {
        service_name           = "albums"
        task_definition_arn    = "arn:aws:ecs:eu-central-1:123456789012:task-definition/mapreduce-service:1"
        discovery_service_id   = null
        discovery_service_name = null
        container_name         = "albums"
        port                   = 8080
        log_group              = "/ecs/albums/albums"
        desired_count          = 1
        cpu                    = 256
        memory                 = 512
      }
    }
    error_message = "The smallest Fargate task on port 8080, and the fields that are read of each service."
  }
}

run "the_container_gets_the_settings_that_it_reads" {
  command = plan

  variables {
    extra_environment = { AWS_ENDPOINT_URL = "http://emulator" }
  }

  assert {
    condition = local.environment == {
      ALBUMS_ALLOW_PLAIN_HTTP = "true"
      ALBUMS_HOST             = "0.0.0.0"
      ALBUMS_IMAGE_TAG        = "0123abcd"
      ALBUMS_STORE            = "s3://mapreduce-123456789012-eu-central-1"
      AWS_ENDPOINT_URL        = "http://emulator"
    }
    error_message = "examples/albums/settings.py reads these names and ALBUMS_PORT: change both, or neither."
  }
}

run "a_digest_names_the_image" {
  command = plan

  variables {
    image_digests = { albums = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef" }
  }

  assert {
    condition     = endswith(local.image, "@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef") && startswith(local.environment.ALBUMS_IMAGE_TAG, "sha256:")
    error_message = "With a digest the service runs that image, and says so."
  }
}

run "a_course_account_needs_no_role_and_no_cloud_map" {
  command = plan

  variables {
    existing_role_name = "LabRole"
  }

  assert {
    condition     = module.cluster.execution_role_arn == "arn:aws:iam::123456789012:role/LabRole" && module.cluster.namespace_id == null
    error_message = "Tasks start and run with the existing role."
  }
}

run "a_load_balancer_is_an_option" {
  command = plan

  variables {
    load_balancer = true
  }

  assert {
    condition     = output.load_balancer_url == "http://stack-0123456789.eu-central-1.elb.amazonaws.com"
    error_message = "With a load balancer the stack has one address."
  }
}

run "three_tasks" {
  command = plan

  variables {
    album_count = 3
  }

  assert {
    condition     = output.services.albums.desired_count == 3
    error_message = "album_count is the number of tasks."
  }
}

run "reject_a_negative_count" {
  command = plan

  variables {
    album_count = -1
  }

  expect_failures = [var.album_count]
}

run "reject_half_a_task" {
  command = plan

  variables {
    album_count = 0.5
  }

  expect_failures = [var.album_count]
}

run "reject_latest" {
  command = plan

  variables {
    image_tag = "latest"
  }

  expect_failures = [var.image_tag]
}

run "reject_the_digest_of_another_role" {
  command = plan

  variables {
    image_digests = { mapper = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef" }
  }

  expect_failures = [var.image_digests]
}

run "reject_a_range_with_host_bits" {
  command = plan

  variables {
    allowed_cidrs = ["203.0.113.7/24"]
  }

  expect_failures = [var.allowed_cidrs]
}

run "reject_a_name_that_a_bucket_cannot_have" {
  command = plan

  variables {
    name = "Albums"
  }

  expect_failures = [var.name]
}

run "warn_if_no_client_is_allowed" {
  command = plan

  variables {
    allowed_cidrs = []
  }

  expect_failures = [check.a_client_can_reach_the_service]
}
