data "aws_region" "current" {}

data "aws_partition" "current" {}

data "aws_caller_identity" "current" {}

locals {
  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition
  region    = data.aws_region.current.id

  family       = "${var.name}-driver"
  container    = "driver"
  scratch_path = "/scratch"

  environment = merge(
    {
      AWS_DEFAULT_REGION = local.region
      AWS_REGION         = local.region
      # The container has no Terraform: it reads the stack's outputs here (driver/cloud/stack.py).
      MAPREDUCE_STACK = jsonencode(var.stack)
      MAPREDUCE_STORE = "s3://${var.bucket}"
    },
    var.extra_environment,
  )
}

resource "aws_cloudwatch_log_group" "this" {
  name              = "${var.log_group_prefix}/driver"
  retention_in_days = var.log_retention_days
}

# Nothing calls a driver. It calls AWS here, and the services by the root's rules.
resource "aws_security_group" "this" {
  #checkov:skip=CKV2_AWS_5:RunTask names the group, and so does a schedule; no service has it
  name        = local.family
  description = "Drivers of the MapReduce stack ${var.name}: nothing calls them."
  vpc_id      = var.vpc_id

  tags = { Name = local.family }
}

resource "aws_vpc_security_group_egress_rule" "https" {
  security_group_id = aws_security_group.this.id
  description       = "AWS's own endpoints"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

# No service: RunTask starts one task for each run, and the task ends with its run.
resource "aws_ecs_task_definition" "this" {
  #checkov:skip=CKV_AWS_249:the two roles are one only where an account has one (existing_role_arn)
  family                   = local.family
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = var.cpu
  memory                   = var.memory
  execution_role_arn       = var.existing_role_arn == null ? aws_iam_role.execution[0].arn : var.existing_role_arn
  task_role_arn            = var.existing_role_arn == null ? aws_iam_role.task[0].arn : var.existing_role_arn

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = var.architecture
  }

  # On the task's disk, and deleted with it. Fargate gives it the owner of the image's VOLUME.
  volume {
    name = "scratch"
  }

  container_definitions = jsonencode([{
    name      = local.container
    image     = var.image
    essential = true

    user                   = "10001:10001"
    readonlyRootFilesystem = true
    linuxParameters        = { capabilities = { drop = ["ALL"] } }

    mountPoints = [{
      sourceVolume  = "scratch"
      containerPath = local.scratch_path
      readOnly      = false
    }]

    environment = [for name, value in local.environment : { name = name, value = value }]

    # Fargate's maximum: a driver that is stopped writes its records and gives back its fleet.
    stopTimeout = 120

    logConfiguration = {
      logDriver = "awslogs"
      options = {
        awslogs-group         = aws_cloudwatch_log_group.this.name
        awslogs-region        = local.region
        awslogs-stream-prefix = "driver"
        mode                  = "non-blocking"
      }
    }
  }])
}
