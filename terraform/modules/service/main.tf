data "aws_region" "current" {}

locals {
  # Name of each container -> its port. A task has one address, so each container has its own port.
  containers = {
    for number in range(var.containers_per_task) :
    var.containers_per_task == 1 ? var.role : "${var.role}-${number + 1}" => var.port == null ? null : var.port + number
  }

  # Left out, and not null, so that the image's own command stays.
  command = { for name, words in { command = var.command } : name => words if words != null }

  # Ports that may be called, on each container.
  ports = [for port in values(local.containers) : port if port != null]

  environment = merge(
    {
      AWS_DEFAULT_REGION = data.aws_region.current.id
      AWS_REGION         = data.aws_region.current.id
    },
    var.environment,
  )

  # Cloud Map registers what can be called.
  is_registered = var.service_discovery != "none" && var.port != null

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
  dynamic "volume" {
    for_each = var.scratch_path[*]

    content {
      name = "scratch"
    }
  }

  container_definitions = jsonencode([for container, port in local.containers : merge(local.command, {
    name      = container
    image     = var.image
    essential = true

    # An attacker, or a job's bug, can write only to the scratch volume.
    user                   = "10001:10001"
    readonlyRootFilesystem = true
    linuxParameters = {
      capabilities = { drop = ["ALL"] }
      # No initProcessEnabled: the service itself is process 1 and reaps orphans. An init process
      # would keep the secrets in its environment, where every child process could read them
      # (/proc/1/environ).
    }
    mountPoints = [for path in var.scratch_path[*] : {
      sourceVolume  = "scratch"
      containerPath = path
      readOnly      = false
    }]

    portMappings = [for mapped in port[*] : {
      containerPort = mapped
      hostPort      = mapped
      protocol      = "tcp"
    }]

    environment = [
      for name, value in merge(local.environment, { for name in var.port_variable[*] : name => tostring(port) }) :
      { name = name, value = value }
    ]
    secrets = [for name, arn in var.secrets : { name = name, valueFrom = arn }]

    healthCheck = one([for check in var.health_check[*] : {
      command     = check.command
      interval    = check.interval_s
      timeout     = check.timeout_s
      retries     = check.retries
      startPeriod = check.start_period_s
    }])

    stopTimeout = var.stop_timeout_s

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
  })])
}

resource "aws_service_discovery_service" "this" {
  count = local.is_registered ? 1 : 0

  name        = var.role
  description = "The ${var.role} tasks of the ${var.system} stack ${var.name}."

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
    # Without a NAT gateway, the only route to images, logs and secrets, and for a client outside
    # the VPC the route to the task.
    assign_public_ip = var.assign_public_ip
  }

  dynamic "service_registries" {
    for_each = aws_service_discovery_service.this

    content {
      registry_arn = service_registries.value.arn
    }
  }

  dynamic "load_balancer" {
    for_each = var.target_group_arns

    content {
      target_group_arn = load_balancer.value
      container_name   = keys(local.containers)[0]
      container_port   = var.port
    }
  }

  # A task that starts does not answer the load balancer yet, and must not be replaced for that.
  health_check_grace_period_seconds = length(var.target_group_arns) > 0 ? 60 : null

  deployment_minimum_healthy_percent = var.deployment_percent.minimum
  deployment_maximum_percent         = var.deployment_percent.maximum

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  # Moving a task to another zone kills its work, for a balance that few systems need. Set
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
