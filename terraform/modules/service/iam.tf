# The task role: the permissions of the code in the container, and so of a user's job. It covers
# only the objects that its work needs.

data "aws_partition" "current" {}

locals {
  # Objects of the stack's bucket: the folders that a role reads, and the names that it writes
  # (mapreduce/wire/keys.py spells the keys). Only the driver commits: tasks write objects that are
  # named after their attempt, so a job cannot replace a committed result. A writer may read what it
  # writes, to check whether a PUT whose answer was lost has succeeded. A step of a chain reads the
  # pairs of the previous step; an earlier result may be input; a map-only job's result comes from
  # the mappers; reducers keep merged states for later runs.
  access = {
    splitter = {
      reads        = ["input", "jobs", "packages", "pairs", "reduce", "chunks"]
      writes       = ["chunks/*"]
      extra_inputs = true
    }
    mapper = {
      reads        = ["input", "chunks", "jobs", "packages", "maps", "pairs", "reduce"]
      writes       = ["maps/*.attempt-*", "pairs/*.attempt-*", "reduce/*.attempt-*"]
      extra_inputs = true
    }
    reducer = {
      reads        = ["maps", "jobs", "packages", "pairs", "reduce"]
      writes       = ["pairs/*.attempt-*", "pairs/states/*", "reduce/*.attempt-*"]
      extra_inputs = false
    }
  }[var.role]

  # S3 asks KMS in the name of the reader, with the key of the bucket's region.
  kms_key_arns = local.access.extra_inputs ? var.extra_kms_key_arns : []
  kms_callers  = distinct([for arn in local.kms_key_arns : "s3.${split(":", arn)[3]}.${data.aws_partition.current.dns_suffix}"])

  arn_prefix        = "arn:${data.aws_partition.current.partition}:s3:::"
  bucket_arn        = "${local.arn_prefix}${var.bucket}"
  extra_bucket_arns = local.access.extra_inputs ? [for bucket in var.extra_input_buckets : "${local.arn_prefix}${bucket}"] : []

  task_statements = concat(
    [
      {
        Sid    = "ReadObjects"
        Effect = "Allow"
        Action = ["s3:GetObject"]
        Resource = concat(
          [for prefix in local.access.reads : "${local.bucket_arn}/${prefix}/*"],
          [for arn in local.extra_bucket_arns : "${arn}/*"],
        )
      },
      # Without permission to list, S3 answers 403 and not 404 for an object that is missing, and the
      # task that wrote it would not run again. S3 compares the object's key with this condition.
      {
        Sid       = "TellMissingFromDenied"
        Effect    = "Allow"
        Action    = ["s3:ListBucket"]
        Resource  = [local.bucket_arn]
        Condition = { StringLike = { "s3:prefix" = [for prefix in local.access.reads : "${prefix}/*"] } }
      },
      {
        Sid      = "WriteObjects"
        Effect   = "Allow"
        Action   = ["s3:PutObject", "s3:AbortMultipartUpload"]
        Resource = [for name in local.access.writes : "${local.bucket_arn}/${name}"]
      },
    ],
    length(local.extra_bucket_arns) > 0 ? [{
      Sid      = "ListExtraInputs"
      Effect   = "Allow"
      Action   = ["s3:ListBucket"]
      Resource = local.extra_bucket_arns
    }] : [],
    # No GenerateDataKey: no task writes to a bucket with such a key.
    length(local.kms_key_arns) > 0 ? [{
      Sid       = "DecryptExtraInputs"
      Effect    = "Allow"
      Action    = ["kms:Decrypt"]
      Resource  = local.kms_key_arns
      Condition = { StringEquals = { "kms:ViaService" = local.kms_callers } }
    }] : [],
  )
}

resource "aws_iam_role" "task" {
  count = var.existing_role_arn == null ? 1 : 0

  # Roles are global, so the region distinguishes stacks of the same name.
  name                 = "${var.name}-${data.aws_region.current.id}-${var.role}"
  path                 = var.role_path
  description          = "Permissions of the ${var.role} tasks of the MapReduce stack ${var.name}."
  assume_role_policy   = var.task_assume_role_policy
  permissions_boundary = var.permissions_boundary_arn
}

resource "aws_iam_role_policy" "task" {
  count = var.existing_role_arn == null ? 1 : 0

  name = "objects"
  role = aws_iam_role.task[0].id

  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = local.task_statements
  })
}
