data "aws_caller_identity" "current" {}

data "aws_region" "current" {}

locals {
  # Folder -> days after which its objects are deleted. reduce/ holds the results and is not here: S3
  # selects by prefix, size or tag, so no rule can tell a lost attempt from a result beside it.
  retention_days = {
    for folder, days in {
      chunks    = var.intermediate_retention_days
      maps      = var.intermediate_retention_days
      pairs     = var.intermediate_retention_days
      input     = var.input_retention_days
      jobs      = var.code_retention_days
      packages  = var.code_retention_days
      runs      = var.run_retention_days
      index     = var.run_retention_days
      forecasts = var.run_retention_days
      tasks     = var.task_retention_days
      # Leases of running drivers and the guard's notes: out of date within hours.
      fleet = 7
    } : folder => days if days > 0
  }
}

# Not versioned: every key is written once (input and code by their digest, all else by run and
# attempt), so there is no older version to protect. Versioning would only keep, and charge for,
# expired intermediate data.
resource "aws_s3_bucket" "this" {
  # Bucket names are global, hence account and region. No random part: the name survives a redeploy.
  bucket = "${var.name}-${data.aws_caller_identity.current.account_id}-${data.aws_region.current.id}"

  # A destroy removes everything, also results: copy those that you need before.
  force_destroy = true
}

resource "aws_s3_bucket_public_access_block" "this" {
  bucket = aws_s3_bucket.this.id

  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "this" {
  bucket = aws_s3_bucket.this.id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

# SSE-S3 and not KMS: the data is encrypted either way, but a KMS key adds a request and its price
# to the many range reads of the shuffle, and a key policy that AWS Academy's role cannot change.
resource "aws_s3_bucket_server_side_encryption_configuration" "this" {
  bucket = aws_s3_bucket.this.id

  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

resource "aws_s3_bucket_policy" "this" {
  bucket = aws_s3_bucket.this.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "DenyWithoutTls"
      Effect    = "Deny"
      Principal = "*"
      Action    = "s3:*"
      Resource  = [aws_s3_bucket.this.arn, "${aws_s3_bucket.this.arn}/*"]
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
  })

  # S3 takes one change to a bucket's access settings at a time.
  depends_on = [aws_s3_bucket_public_access_block.this, aws_s3_bucket_ownership_controls.this]
}

resource "aws_s3_bucket_lifecycle_configuration" "this" {
  bucket = aws_s3_bucket.this.id

  dynamic "rule" {
    for_each = local.retention_days

    content {
      id     = "expire-${rule.key}"
      status = "Enabled"

      filter {
        prefix = "${rule.key}/"
      }

      expiration {
        days = rule.value
      }
    }
  }

  # The parts of an interrupted upload are invisible, and charged for. No upload of ours takes a
  # day.
  rule {
    id     = "abort-incomplete-uploads"
    status = "Enabled"

    filter {}

    abort_incomplete_multipart_upload {
      days_after_initiation = 1
    }
  }
}
