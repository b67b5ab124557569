# Two roles of the driver, and of nothing else: who may start drivers hands on these two, and so can
# start no task with another role of the stack.

locals {
  arn_prefix        = "arn:${local.partition}:s3:::"
  input_bucket_arns = [for bucket in var.extra_input_buckets : "${local.arn_prefix}${bucket}"]

  # S3 asks KMS in the name of the reader, with the key of the bucket's region.
  kms_callers = distinct([for arn in var.extra_kms_key_arns : "s3.${split(":", arn)[3]}.${data.aws_partition.current.dns_suffix}"])

  task_statements = concat(
    var.statements,
    length(local.input_bucket_arns) > 0 ? [
      {
        Sid      = "ReadExtraInputs"
        Effect   = "Allow"
        Action   = "s3:GetObject"
        Resource = [for arn in local.input_bucket_arns : "${arn}/*"]
      },
      {
        Sid      = "ListExtraInputs"
        Effect   = "Allow"
        Action   = "s3:ListBucket"
        Resource = local.input_bucket_arns
      },
    ] : [],
    length(var.extra_kms_key_arns) > 0 ? [{
      Sid       = "DecryptExtraInputs"
      Effect    = "Allow"
      Action    = "kms:Decrypt"
      Resource  = var.extra_kms_key_arns
      Condition = { StringEquals = { "kms:ViaService" = local.kms_callers } }
    }] : [],
  )
}

resource "aws_iam_role" "task" {
  count = var.existing_role_arn == null ? 1 : 0

  # Roles are global, so the region distinguishes stacks of the same name.
  name                 = "${var.name}-${local.region}-driver"
  path                 = var.role_path
  description          = "Permissions of the drivers of the MapReduce stack ${var.name}."
  assume_role_policy   = var.task_assume_role_policy
  permissions_boundary = var.permissions_boundary_arn
}

resource "aws_iam_role_policy" "task" {
  count = var.existing_role_arn == null ? 1 : 0

  name = "run"
  role = aws_iam_role.task[0].id

  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = local.task_statements
  })
}

# The cluster's execution role reads the signing key and pulls every image; the driver reads the key
# itself, with its task role.
resource "aws_iam_role" "execution" {
  count = var.existing_role_arn == null ? 1 : 0

  name                 = "${var.name}-${local.region}-driver-execution"
  path                 = var.role_path
  description          = "Lets ECS start the drivers of the MapReduce stack ${var.name}."
  assume_role_policy   = var.task_assume_role_policy
  permissions_boundary = var.permissions_boundary_arn
}

resource "aws_iam_role_policy" "execution" {
  count = var.existing_role_arn == null ? 1 : 0

  name = "start-tasks"
  role = aws_iam_role.execution[0].id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        # This action supports no resource.
        Sid      = "LogInToRegistry"
        Effect   = "Allow"
        Action   = "ecr:GetAuthorizationToken"
        Resource = "*"
      },
      {
        Sid      = "PullImage"
        Effect   = "Allow"
        Action   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
        Resource = var.repository_arn
      },
      {
        Sid      = "WriteLogs"
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = "arn:${local.partition}:logs:${local.region}:${local.account}:log-group:${var.log_group_prefix}/driver:*"
      },
    ]
  })
}
