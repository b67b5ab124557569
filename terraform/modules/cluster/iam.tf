# The execution role: the permissions of ECS itself to start a task (pull the image, read
# secrets, write logs). The permissions of the code in the task are in each service's task role.

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

data "aws_region" "current" {}

# A data source, so that a wrong name fails at plan, and a role under a path is found too.
data "aws_iam_role" "existing" {
  count = var.existing_role_name == null ? 0 : 1

  name = var.existing_role_name
}

locals {
  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition
  region    = data.aws_region.current.id

  log_group_prefix = "/ecs/${var.name}"

  # Only ECS tasks of this account and region: another account cannot use ECS to assume the roles.
  task_assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "ecs-tasks.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = {
        StringEquals = { "aws:SourceAccount" = local.account }
        ArnLike      = { "aws:SourceArn" = "arn:${local.partition}:ecs:${local.region}:${local.account}:*" }
      }
    }]
  })
}

resource "aws_iam_role" "execution" {
  count = var.existing_role_name == null ? 1 : 0

  # Roles are global, so the region distinguishes stacks of the same name.
  name                 = "${var.name}-${local.region}-execution"
  path                 = var.role_path
  description          = "Lets ECS start the tasks of the ${var.system} stack ${var.name}."
  assume_role_policy   = local.task_assume_role_policy
  permissions_boundary = var.permissions_boundary_arn
}

# AWS's managed policy for this allows every repository and log group of the account.
resource "aws_iam_role_policy" "execution" {
  count = var.existing_role_name == null ? 1 : 0

  name = "start-tasks"
  role = aws_iam_role.execution[0].id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat([
      {
        # This action supports no resource.
        Sid      = "LogInToRegistry"
        Effect   = "Allow"
        Action   = "ecr:GetAuthorizationToken"
        Resource = "*"
      },
      {
        Sid      = "PullImages"
        Effect   = "Allow"
        Action   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
        Resource = var.repository_arns
      },
      {
        Sid      = "WriteLogs"
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = "arn:${local.partition}:logs:${local.region}:${local.account}:log-group:${local.log_group_prefix}/*:*"
      },
      ],
      # ECS reads all parameters of a task by one call of GetParameters. AWS's own key (aws/ssm)
      # decrypts for the callers of its service, and needs no permission here.
      [for name, arn in var.secrets : {
        Sid      = "Read${name}"
        Effect   = "Allow"
        Action   = "ssm:GetParameters"
        Resource = arn
      }],
    )
  })
}
