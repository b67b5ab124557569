# The three services of MapReduce: how many, how large, what they read and write, and their settings.
# The modules know none of this.

locals {
  services = {
    splitter = {
      desired_count = var.splitter_count
      cpu           = var.splitter_cpu
      memory        = var.splitter_memory
      spot_share    = 0
    }
    mapper = {
      desired_count = var.mapper_count
      cpu           = var.mapper_cpu
      memory        = var.mapper_memory
      spot_share    = var.spot_share
    }
    reducer = {
      desired_count = var.reducer_count
      cpu           = var.reducer_cpu
      memory        = var.reducer_memory
      spot_share    = 0
    }
  }

  # Objects of the stack's bucket: the folders that a role reads, and the names that it writes
  # (mapreduce/wire/keys.py spells the keys). Only the driver commits: tasks write objects that are
  # named after their attempt, so a job cannot replace a committed result. A writer may read what it
  # writes, to check whether a PUT whose answer was lost has succeeded; and a reader learns when an
  # object is missing, so that the task that wrote it runs again. A step of a chain
  # reads the pairs of the previous step; an earlier result may be input; a map-only job's result
  # comes from the mappers; reducers keep merged states for later runs.
  access = {
    splitter = merge(local.extra_inputs, {
      reads  = ["input", "jobs", "packages", "pairs", "reduce", "chunks"]
      writes = ["chunks/*"]
    })
    mapper = merge(local.extra_inputs, {
      reads  = ["input", "chunks", "jobs", "packages", "maps", "pairs", "reduce"]
      writes = ["maps/*.attempt-*", "pairs/*.attempt-*", "reduce/*.attempt-*"]
    })
    reducer = {
      reads  = ["maps", "jobs", "packages", "pairs", "reduce"]
      writes = ["pairs/*.attempt-*", "pairs/states/*", "reduce/*.attempt-*"]
    }
  }

  extra_inputs = {
    other_buckets = var.extra_input_buckets
    kms_key_arns  = var.extra_kms_key_arns
  }

  # The settings that services/ reads: the interface between Terraform and Python. A test on each
  # side pins these names. The module adds AWS's region and MAPREDUCE_PORT.
  environments = {
    for role, size in local.services : role => merge(
      {
        MAPREDUCE_EXTRA_INPUTS = jsonencode([for bucket in var.extra_input_buckets : "s3://${bucket}/"])
        MAPREDUCE_HOST         = "0.0.0.0"
        MAPREDUCE_IMAGE_TAG    = local.image_tags[role]
        MAPREDUCE_MEMORY_MB    = tostring(size.memory)
        MAPREDUCE_SCRATCH      = local.scratch_path
        # One task of the job for each vCPU, at least one.
        MAPREDUCE_SLOTS = tostring(max(1, ceil(size.cpu / 1024)))
        MAPREDUCE_STORE = "s3://${module.storage.bucket}"
        MAPREDUCE_TLS   = "true"
      },
      var.extra_environment,
    )
  }
  scratch_path = "/scratch"

  # For /health: the tag of each image, or its digest where it is named by that.
  image_tags = { for role in keys(local.services) : role => lookup(var.image_digests, role, var.image_tag) }

  # Folder -> days after which its objects are deleted. reduce/ holds the results and is not here: S3
  # selects by prefix, size or tag, so no rule can tell a lost attempt from a result beside it.
  retention_days = {
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
  }
}
