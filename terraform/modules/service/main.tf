data "aws_region" "current" {}

locals {
  port    = 8080
  scratch = "/scratch"

  # "<repository>:<tag>", "<repository>@<digest>", or both: the tag, else the digest, for /health.
  image     = regex("^[^:@]+(?::(?P<tag>[^@]+))?(?:@(?P<digest>.+))?$", reverse(split("/", var.image))[0])
  image_tag = try(coalesce(local.image.tag, local.image.digest), "latest")

  # The settings that services/ reads: the interface between Terraform and Python. A test on each
  # side pins these names.
  environment = merge(
    {
      AWS_DEFAULT_REGION     = data.aws_region.current.id
      AWS_REGION             = data.aws_region.current.id
      MAPREDUCE_EXTRA_INPUTS = jsonencode([for bucket in var.extra_input_buckets : "s3://${bucket}/"])
      MAPREDUCE_HOST         = "0.0.0.0"
      MAPREDUCE_IMAGE_TAG    = local.image_tag
      MAPREDUCE_MEMORY_MB    = tostring(var.memory)
      MAPREDUCE_PORT         = tostring(local.port)
      MAPREDUCE_SCRATCH      = local.scratch
      # One task of the job for each vCPU, at least one.
      MAPREDUCE_SLOTS = tostring(max(1, ceil(var.cpu / 1024)))
      MAPREDUCE_STORE = "s3://${var.bucket}"
      MAPREDUCE_TLS   = "true"
    },
    var.extra_environment,
  )

  # The weights are the percentages; a provider with weight 0 is left out.
  capacity = {
    for provider, weight in { FARGATE = 100 - var.spot_share, FARGATE_SPOT = var.spot_share } : provider => weight if weight > 0
  }
}

resource "aws_cloudwatch_log_group" "this" {
  name              = "${var.log_group_prefix}/${var.role}"
  retention_in_days = var.log_retention_days
}

resource "aws_ecs_task_definition" "this" {
  family                   = "${var.name}-${var.role}"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = var.cpu
  memory                   = var.memory
  execution_role_arn       = var.execution_role_arn
  task_role_arn            = var.existing_role_arn == null ? aws_iam_role.task[0].arn : var.existing_role_arn

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = var.architecture
  }

  # Every task has 20 GiB, and AWS accepts only a larger number here.
  dynamic "ephemeral_storage" {
    for_each = var.ephemeral_storage_gib > 20 ? [var.ephemeral_storage_gib] : []

    content {
      size_in_gib = ephemeral_storage.value
    }
  }

  # On the task's disk, and deleted with it. Fargate gives it the owner of the image's VOLUME.
  volume {
    name = "scratch"
  }

  container_definitions = jsonencode([{
    name      = var.role
    image     = var.image
    essential = true

    # An attacker, or a job's bug, can write only to the scratch volume.
    user                   = "10001:10001"
    readonlyRootFilesystem = true
    linuxParameters = {
      capabilities = { drop = ["ALL"] }
      # No initProcessEnabled: the service itself is process 1 and reaps the orphans of killed
      # tasks. An init process would keep the signing key in its environment, where every job could
      # read it (/proc/1/environ).
    }
    mountPoints = [{
      sourceVolume  = "scratch"
      containerPath = local.scratch
      readOnly      = false
    }]

    portMappings = [{
      containerPort = local.port
      hostPort      = local.port
      protocol      = "tcp"
    }]

    environment = [for name, value in local.environment : { name = name, value = value }]
    secrets     = [{ name = "MAPREDUCE_SIGNING_KEY", valueFrom = var.signing_key_arn }]

    healthCheck = {
      command     = ["CMD", "python", "-m", "services.healthcheck"]
      interval    = 10
      timeout     = 5
      retries     = 3
      startPeriod = 30
    }

    # Fargate's maximum, and Spot's notice: time for running tasks to finish or report.
    stopTimeout = 120

    logConfiguration = {
      logDriver = "awslogs"
      options = {
        awslogs-group         = aws_cloudwatch_log_group.this.name
        awslogs-region        = data.aws_region.current.id
        awslogs-stream-prefix = var.role
        # A slow CloudWatch must not block a task that writes a log line; only log lines may be
        # lost.
        mode            = "non-blocking"
        max-buffer-size = "8m"
      }
    }
  }])
}

resource "aws_service_discovery_service" "this" {
  count = var.service_discovery == "none" ? 0 : 1

  name        = var.role
  description = "The ${var.role} tasks of the MapReduce stack ${var.name}."

  # dns_config already names the namespace, but an emulator's API does not read it there.
  namespace_id = var.namespace_id

  dynamic "dns_config" {
    for_each = var.service_discovery == "dns" ? [var.namespace_id] : []

    content {
      namespace_id   = dns_config.value
      routing_policy = "MULTIVALUE"

      dns_records {
        type = "A"
        ttl  = 10
      }
    }
  }

  # ECS reports the container's health. The number is deprecated and always 1, but without it the
  # provider drops the block and replaces the service at the next apply.
  health_check_custom_config {
    failure_threshold = 1
  }

  # During a destroy the last tasks may still be registered.
  force_destroy = true
}

resource "aws_ecs_service" "this" {
  name            = var.role
  cluster         = var.cluster_arn
  task_definition = aws_ecs_task_definition.this.arn
  desired_count   = var.desired_count

  # No force_new_deployment: it would restart every mapper at each change of the count. The price is
  # that a change of the Spot share replaces the service.
  dynamic "capacity_provider_strategy" {
    for_each = local.capacity

    content {
      capacity_provider = capacity_provider_strategy.key
      weight            = capacity_provider_strategy.value
    }
  }

  network_configuration {
    subnets         = var.subnet_ids
    security_groups = [aws_security_group.this.id]
    # Without a NAT gateway, the only route to images, logs and the signing key, and for a driver
    # outside the VPC the route to the task.
    assign_public_ip = var.assign_public_ip
  }

  dynamic "service_registries" {
    for_each = aws_service_discovery_service.this

    content {
      registry_arn = service_registries.value.arn
    }
  }

  # A deploy replaces tasks instead of doubling them: two versions never work on one job, and a
  # small account's quota suffices. A run in progress retries the interrupted tasks.
  deployment_minimum_healthy_percent = 0
  deployment_maximum_percent         = 100

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  # Moving a task to another zone kills its work, for a balance that a batch job does not need. Set
  # explicitly, because AWS's default is the opposite and would show as a change in every plan.
  availability_zone_rebalancing = "DISABLED"

  enable_ecs_managed_tags = true
  propagate_tags          = "SERVICE"

  depends_on = [
    aws_iam_role_policy.task,
    aws_vpc_security_group_egress_rule.https,
    aws_vpc_security_group_ingress_rule.http,
  ]
}
