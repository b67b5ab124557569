mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

variables {
  name           = "mapreduce"
  retention_days = { chunks = 5, maps = 5, runs = 0 }
}

run "the_bucket_is_private_encrypted_and_tls_only" {
  command = plan

  module {
    source = "./modules/storage"
  }

  assert {
    condition = alltrue([
      aws_s3_bucket_public_access_block.this.block_public_acls,
      aws_s3_bucket_public_access_block.this.block_public_policy,
      aws_s3_bucket_public_access_block.this.ignore_public_acls,
      aws_s3_bucket_public_access_block.this.restrict_public_buckets,
    ])
    error_message = "All public access must be blocked."
  }

  assert {
    condition     = one(aws_s3_bucket_ownership_controls.this.rule).object_ownership == "BucketOwnerEnforced"
    error_message = "ACLs must be off."
  }

  assert {
    condition     = one(one(aws_s3_bucket_server_side_encryption_configuration.this.rule).apply_server_side_encryption_by_default).sse_algorithm == "AES256"
    error_message = "Objects must be encrypted."
  }

  assert {
    condition = jsondecode(aws_s3_bucket_policy.this.policy).Statement == [{
      Sid       = "DenyWithoutTls"
      Effect    = "Deny"
      Principal = "*"
      Action    = "s3:*"
      Resource  = ["arn:aws:s3:::mapreduce-123456789012-eu-central-1", "arn:aws:s3:::mapreduce-123456789012-eu-central-1/*"]
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
    error_message = "Bucket and objects must refuse everything that is not TLS."
  }
}

run "folders_expire_as_named_and_a_destroy_takes_the_rest" {
  command = plan

  module {
    source = "./modules/storage"
  }

  assert {
    condition = {
      for rule in aws_s3_bucket_lifecycle_configuration.this.rule : rule.filter[0].prefix => rule.expiration[0].days if length(rule.expiration) > 0
    } == { "chunks/" = 5, "maps/" = 5 }
    error_message = "Each folder expires after its days, and what has none stays."
  }

  assert {
    condition     = [for rule in aws_s3_bucket_lifecycle_configuration.this.rule : rule.abort_incomplete_multipart_upload[0].days_after_initiation if length(rule.abort_incomplete_multipart_upload) > 0] == [1]
    error_message = "Uploads that were cut off must not be charged for ever."
  }

  assert {
    condition     = aws_s3_bucket.this.bucket == "mapreduce-123456789012-eu-central-1" && aws_s3_bucket.this.force_destroy
    error_message = "Two stacks never share a bucket's name, and a destroy empties it."
  }
}
