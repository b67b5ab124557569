# The task role: the permissions of the code in the container. It covers only the objects that its
# work needs; the root has the table.

data "aws_partition" "current" {}

locals {
  # S3 asks KMS in the name of the reader, with the key of the bucket's region.
  kms_callers = distinct([for arn in var.access.kms_key_arns : "s3.${split(":", arn)[3]}.${data.aws_partition.current.dns_suffix}"])

  arn_prefix        = "arn:${data.aws_partition.current.partition}:s3:::"
  bucket_arn        = "${local.arn_prefix}${var.bucket}"
  extra_bucket_arns = [for bucket in var.access.other_buckets : "${local.arn_prefix}${bucket}"]

  readable = concat(
    [for prefix in var.access.reads : "${local.bucket_arn}/${prefix}/*"],
    [for arn in local.extra_bucket_arns : "${arn}/*"],
  )

  task_statements = concat(
    length(local.readable) > 0 ? [{
      Sid      = "ReadObjects"
      Effect   = "Allow"
      Action   = ["s3:GetObject"]
      Resource = local.readable
    }] : [],
    # Without permission to list, S3 answers 403 and not 404 for an object that is missing. S3
    # compares the object's key with this condition.
    length(var.access.reads) > 0 ? [{
      Sid       = "TellMissingFromDenied"
      Effect    = "Allow"
      Action    = ["s3:ListBucket"]
      Resource  = [local.bucket_arn]
      Condition = { StringLike = { "s3:prefix" = [for prefix in var.access.reads : "${prefix}/*"] } }
    }] : [],
    length(var.access.writes) > 0 ? [{
      Sid      = "WriteObjects"
      Effect   = "Allow"
      Action   = ["s3:PutObject", "s3:AbortMultipartUpload"]
      Resource = [for name in var.access.writes : "${local.bucket_arn}/${name}"]
    }] : [],
    length(local.extra_bucket_arns) > 0 ? [{
      Sid      = "ListExtraInputs"
      Effect   = "Allow"
      Action   = ["s3:ListBucket"]
      Resource = local.extra_bucket_arns
    }] : [],
    # No GenerateDataKey: no task writes to a bucket with such a key.
    length(var.access.kms_key_arns) > 0 ? [{
      Sid       = "DecryptExtraInputs"
      Effect    = "Allow"
      Action    = ["kms:Decrypt"]
      Resource  = var.access.kms_key_arns
      Condition = { StringEquals = { "kms:ViaService" = local.kms_callers } }
    }] : [],
    var.statements,
  )
}

resource "aws_iam_role" "task" {
  count = var.existing_role_arn == null ? 1 : 0

  # Roles are global, so the region distinguishes stacks of the same name.
  name                 = "${var.name}-${data.aws_region.current.id}-${var.role}"
  path                 = var.role_path
  description          = "Permissions of the ${var.role} tasks of the ${var.system} stack ${var.name}."
  assume_role_policy   = var.task_assume_role_policy
  permissions_boundary = var.permissions_boundary_arn
}

# IAM refuses a policy without a statement: a task that uses nothing of AWS has none.
resource "aws_iam_role_policy" "task" {
  count = var.existing_role_arn == null && length(local.task_statements) > 0 ? 1 : 0

  name = "objects"
  role = aws_iam_role.task[0].id

  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = local.task_statements
  })
}
