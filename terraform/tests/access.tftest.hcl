# The policies of the task roles. tests/infrastructure/test_access.py evaluates the same plans against
# the keys that tasks read and write.

mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

variables {
  name                    = "mapreduce"
  role                    = "mapper"
  image                   = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/mapreduce/mapper:0123abcd"
  architecture            = "X86_64"
  desired_count           = 3
  cpu                     = 1024
  memory                  = 2048
  log_retention_days      = 14
  vpc_id                  = "vpc-0123456789abcdef0"
  vpc_cidr                = "10.20.0.0/16"
  subnet_ids              = ["subnet-0a", "subnet-0b"]
  bucket                  = "store"
  extra_input_buckets     = ["other"]
  signing_key_arn         = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:mapreduce/signing-key-AbCdEf"
  cluster_arn             = "arn:aws:ecs:eu-central-1:123456789012:cluster/mapreduce"
  namespace_id            = "ns-0123456789abcdef"
  log_group_prefix        = "/ecs/mapreduce"
  execution_role_arn      = "arn:aws:iam::123456789012:role/mapreduce-execution"
  task_assume_role_policy = "{\"Version\":\"2012-10-17\",\"Statement\":[]}"
}

run "the_splitter_may_read_input_and_write_chunks" {
  command = plan

  module {
    source = "./modules/service"
  }

  variables {
    role = "splitter"
  }

  assert {
    condition = jsondecode(aws_iam_role_policy.task[0].policy).Statement == [
      {
        Sid      = "ReadObjects"
        Effect   = "Allow"
        Action   = ["s3:GetObject"]
        Resource = ["arn:aws:s3:::store/input/*", "arn:aws:s3:::store/jobs/*", "arn:aws:s3:::store/pairs/*", "arn:aws:s3:::store/reduce/*", "arn:aws:s3:::store/chunks/*", "arn:aws:s3:::other/*"]
      },
      {
        Sid       = "TellMissingFromDenied"
        Effect    = "Allow"
        Action    = ["s3:ListBucket"]
        Resource  = ["arn:aws:s3:::store"]
        Condition = { StringLike = { "s3:prefix" = ["input/*", "jobs/*", "pairs/*", "reduce/*", "chunks/*"] } }
      },
      {
        Sid      = "WriteObjects"
        Effect   = "Allow"
        Action   = ["s3:PutObject", "s3:AbortMultipartUpload"]
        Resource = ["arn:aws:s3:::store/chunks/*"]
      },
      {
        Sid      = "ListExtraInputs"
        Effect   = "Allow"
        Action   = ["s3:ListBucket"]
        Resource = ["arn:aws:s3:::other"]
      },
    ]
    error_message = "The splitter's role may do what splitting needs, and nothing else."
  }
}

run "the_mapper_may_read_input_and_write_maps" {
  command = plan

  module {
    source = "./modules/service"
  }

  assert {
    condition = jsondecode(aws_iam_role_policy.task[0].policy).Statement == [
      {
        Sid      = "ReadObjects"
        Effect   = "Allow"
        Action   = ["s3:GetObject"]
        Resource = ["arn:aws:s3:::store/input/*", "arn:aws:s3:::store/chunks/*", "arn:aws:s3:::store/jobs/*", "arn:aws:s3:::store/maps/*", "arn:aws:s3:::store/pairs/*", "arn:aws:s3:::store/reduce/*", "arn:aws:s3:::other/*"]
      },
      {
        Sid       = "TellMissingFromDenied"
        Effect    = "Allow"
        Action    = ["s3:ListBucket"]
        Resource  = ["arn:aws:s3:::store"]
        Condition = { StringLike = { "s3:prefix" = ["input/*", "chunks/*", "jobs/*", "maps/*", "pairs/*", "reduce/*"] } }
      },
      {
        Sid      = "WriteObjects"
        Effect   = "Allow"
        Action   = ["s3:PutObject", "s3:AbortMultipartUpload"]
        Resource = ["arn:aws:s3:::store/maps/*.attempt-*", "arn:aws:s3:::store/pairs/*.attempt-*", "arn:aws:s3:::store/reduce/*.attempt-*"]
      },
      {
        Sid      = "ListExtraInputs"
        Effect   = "Allow"
        Action   = ["s3:ListBucket"]
        Resource = ["arn:aws:s3:::other"]
      },
    ]
    error_message = "The mapper's role may do what mapping needs, and nothing else."
  }
}

run "the_reducer_may_read_maps_and_write_results" {
  command = plan

  module {
    source = "./modules/service"
  }

  variables {
    role = "reducer"
  }

  assert {
    condition = jsondecode(aws_iam_role_policy.task[0].policy).Statement == [
      {
        Sid      = "ReadObjects"
        Effect   = "Allow"
        Action   = ["s3:GetObject"]
        Resource = ["arn:aws:s3:::store/maps/*", "arn:aws:s3:::store/jobs/*", "arn:aws:s3:::store/pairs/*", "arn:aws:s3:::store/reduce/*"]
      },
      {
        Sid       = "TellMissingFromDenied"
        Effect    = "Allow"
        Action    = ["s3:ListBucket"]
        Resource  = ["arn:aws:s3:::store"]
        Condition = { StringLike = { "s3:prefix" = ["maps/*", "jobs/*", "pairs/*", "reduce/*"] } }
      },
      {
        Sid      = "WriteObjects"
        Effect   = "Allow"
        Action   = ["s3:PutObject", "s3:AbortMultipartUpload"]
        Resource = ["arn:aws:s3:::store/pairs/*.attempt-*", "arn:aws:s3:::store/pairs/states/*", "arn:aws:s3:::store/reduce/*.attempt-*"]
      },
    ]
    error_message = "The reducer's role may do what reducing needs, and nothing else: no input, not even in the extra buckets."
  }
}
