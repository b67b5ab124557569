data "aws_region" "current" {}

data "aws_partition" "current" {}

data "aws_caller_identity" "current" {}

locals {
  service_arns = [
    for service in concat(var.service_names, [local.service_name]) :
    "arn:${data.aws_partition.current.partition}:ecs:${data.aws_region.current.id}:${data.aws_caller_identity.current.account_id}:service/${var.cluster_name}/${service}"
  ]
  service_name = "guard"
  bucket_arn   = "arn:${data.aws_partition.current.partition}:s3:::${var.bucket}"

  # The names that services/guard and driver/cloud read; a test on each side pins them.
  leases  = "fleet/leases"
  scaling = "fleet/scaling.json"

  environment = merge(
    {
      AWS_DEFAULT_REGION          = data.aws_region.current.id
      AWS_REGION                  = data.aws_region.current.id
      MAPREDUCE_CLUSTER           = var.cluster_name
      MAPREDUCE_GUARD             = local.service_name
      MAPREDUCE_IDLE_STOP_MINUTES = tostring(var.idle_stop_minutes)
      MAPREDUCE_LEASES            = local.leases
      MAPREDUCE_SCALING           = local.scaling
      MAPREDUCE_SERVICES          = jsonencode(var.service_names)
      MAPREDUCE_STORE             = "s3://${var.bucket}"
    },
    var.extra_environment,
  )
}

resource "aws_cloudwatch_log_group" "this" {
  name              = "${var.log_group_prefix}/guard"
  retention_in_days = var.log_retention_days
}

# The role of a driver in AWS may change the number of tasks too, and no role of a service; this one
# is on a container that runs no code of a job.
resource "aws_iam_role" "task" {
  count = var.existing_role_arn == null ? 1 : 0

  # Roles are global, so the region distinguishes stacks of the same name.
  name                 = "${var.name}-${data.aws_region.current.id}-guard"
  path                 = var.role_path
  description          = "Lets the idle guard of the MapReduce stack ${var.name} stop its services."
  assume_role_policy   = var.task_assume_role_policy
  permissions_boundary = var.permissions_boundary_arn
}

resource "aws_iam_role_policy" "task" {
  count = var.existing_role_arn == null ? 1 : 0

  name = "stop-services"
  role = aws_iam_role.task[0].id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "StopServices"
        Effect   = "Allow"
        Action   = "ecs:UpdateService"
        Resource = local.service_arns
      },
      {
        Sid      = "ReadLeases"
        Effect   = "Allow"
        Action   = "s3:GetObject"
        Resource = "${local.bucket_arn}/${local.leases}/*"
      },
      {
        Sid       = "ListLeases"
        Effect    = "Allow"
        Action    = "s3:ListBucket"
        Resource  = local.bucket_arn
        Condition = { StringLike = { "s3:prefix" = ["${local.leases}/*"] } }
      },
      {
        Sid      = "ForgetScaling"
        Effect   = "Allow"
        Action   = "s3:DeleteObject"
        Resource = "${local.bucket_arn}/${local.scaling}"
      },
    ]
  })
}

resource "aws_security_group" "this" {
  name        = "${var.name}-guard"
  description = "The idle guard of the MapReduce stack ${var.name}: nothing calls it."
  vpc_id      = var.vpc_id

  tags = { Name = "${var.name}-guard" }
}

resource "aws_vpc_security_group_egress_rule" "https" {
  security_group_id = aws_security_group.this.id
  description       = "AWS's own endpoints"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

resource "aws_ecs_task_definition" "this" {
  family                   = "${var.name}-guard"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  # Fargate's smallest task.
  cpu                = 256
  memory             = 512
  execution_role_arn = var.execution_role_arn
  task_role_arn      = var.existing_role_arn == null ? aws_iam_role.task[0].arn : var.existing_role_arn

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = var.architecture
  }

  container_definitions = jsonencode([{
    name      = "guard"
    image     = var.image
    essential = true

    user                   = "10001:10001"
    readonlyRootFilesystem = true
    linuxParameters        = { capabilities = { drop = ["ALL"] } }

    environment = [for name, value in local.environment : { name = name, value = value }]

    logConfiguration = {
      logDriver = "awslogs"
      options = {
        awslogs-group         = aws_cloudwatch_log_group.this.name
        awslogs-region        = data.aws_region.current.id
        awslogs-stream-prefix = "guard"
        mode                  = "non-blocking"
      }
    }
  }])
}

resource "aws_ecs_service" "this" {
  name            = local.service_name
  cluster         = var.cluster_arn
  task_definition = aws_ecs_task_definition.this.arn

  # No ignore_changes: an apply that starts the services starts their guard too. Runs, and the guard
  # itself, change the number between applies.
  desired_count = var.desired_count

  capacity_provider_strategy {
    capacity_provider = "FARGATE"
    weight            = 100
  }

  network_configuration {
    subnets          = var.subnet_ids
    security_groups  = [aws_security_group.this.id]
    assign_public_ip = var.assign_public_ip
  }

  deployment_minimum_healthy_percent = 0
  deployment_maximum_percent         = 100

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  availability_zone_rebalancing = "DISABLED"

  enable_ecs_managed_tags = true
  propagate_tags          = "SERVICE"

  depends_on = [
    aws_iam_role_policy.task,
    aws_vpc_security_group_egress_rule.https,
  ]
}
