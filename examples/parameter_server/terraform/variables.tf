# --- Number and size ------------------------------------------------------------------------------

variable "worker_count" {
  description = "Number of workers. It may change during a run, and changes nothing else. 0 stops the workers and their cost."
  type        = number
  default     = 16
  nullable    = false

  validation {
    condition     = var.worker_count >= 0 && floor(var.worker_count) == var.worker_count
    error_message = "worker_count must be a whole number, 0 or more."
  }
}

variable "total_workers_expected" {
  description = "Number of workers that a run waits for before its first clock. Not derived from worker_count: a change of it replaces the servers, a change of worker_count does not."
  type        = number
  default     = 1
  nullable    = false

  validation {
    condition     = var.total_workers_expected >= 0 && floor(var.total_workers_expected) == var.total_workers_expected
    error_message = "total_workers_expected must be a whole number, 0 or more."
  }
}

variable "server_count" {
  description = "Number of servers, each with a contiguous range of the parameters. A change replaces all tasks."
  type        = number
  default     = 1
  nullable    = false

  validation {
    condition     = var.server_count >= 1 && var.server_count <= 8 && floor(var.server_count) == var.server_count
    error_message = "server_count must be a whole number from 1 to 8."
  }
}

variable "stopped" {
  description = "Whether no task runs, and none costs. A run that is not done goes on from its last cut when the tasks run again."
  type        = bool
  default     = false
  nullable    = false
}

# The defaults use 5 vCPUs: a new account's quota on Fargate is 6.

variable "worker_cpu" {
  description = "CPU of a worker in CPU units (1024 = 1 vCPU)."
  type        = number
  default     = 256
  nullable    = false

  validation {
    condition     = contains([256, 512, 1024, 2048, 4096], var.worker_cpu)
    error_message = "worker_cpu must be 256, 512, 1024, 2048 or 4096."
  }
}

variable "worker_memory" {
  description = "Memory of a worker in MiB. Fargate limits the sizes for each CPU."
  type        = number
  default     = 512
  nullable    = false

  validation {
    condition     = (var.worker_memory == 512 && var.worker_cpu == 256) || (floor(var.worker_memory / 1024) * 1024 == var.worker_memory && var.worker_memory >= var.worker_cpu * 2 && var.worker_memory <= var.worker_cpu * 8) || (var.worker_memory == 1024 && contains([256, 512], var.worker_cpu))
    error_message = "Fargate has no task of this worker_cpu with this worker_memory. Choose 512, 1024 or 2048 MiB for 256 CPU units; else whole GiB, from 2 to 8 MiB for each CPU unit (512 CPU units: from 1024)."
  }
}

variable "server_cpu" {
  description = "CPU of a server in CPU units (1024 = 1 vCPU)."
  type        = number
  default     = 1024
  nullable    = false

  validation {
    condition     = contains([256, 512, 1024, 2048, 4096], var.server_cpu)
    error_message = "server_cpu must be 256, 512, 1024, 2048 or 4096."
  }
}

variable "server_memory" {
  description = "Memory of a server in MiB. Fargate limits the sizes for each CPU."
  type        = number
  default     = 2048
  nullable    = false

  validation {
    condition     = (var.server_memory == 512 && var.server_cpu == 256) || (floor(var.server_memory / 1024) * 1024 == var.server_memory && var.server_memory >= var.server_cpu * 2 && var.server_memory <= var.server_cpu * 8) || (var.server_memory == 1024 && contains([256, 512], var.server_cpu))
    error_message = "Fargate has no task of this server_cpu with this server_memory. Choose 512, 1024 or 2048 MiB for 256 CPU units; else whole GiB, from 2 to 8 MiB for each CPU unit (512 CPU units: from 1024)."
  }
}

variable "spot_share" {
  description = "Percentage of the workers on Fargate Spot: about 70 % cheaper, and terminated with two minutes' notice. Their leases go to other workers. Servers never use it."
  type        = number
  default     = 0
  nullable    = false

  validation {
    condition     = var.spot_share >= 0 && var.spot_share <= 100 && floor(var.spot_share) == var.spot_share
    error_message = "spot_share must be a whole number from 0 to 100."
  }
}

# --- Options --------------------------------------------------------------------------------------

variable "vpc_cidr" {
  description = "Address range of the VPC that the stack makes."
  type        = string
  default     = "10.22.0.0/24"
  nullable    = false

  validation {
    condition     = can(cidrnetmask(var.vpc_cidr)) && try(cidrsubnet(var.vpc_cidr, 0, 0), "") == var.vpc_cidr && try(tonumber(split("/", var.vpc_cidr)[1]) >= 16 && tonumber(split("/", var.vpc_cidr)[1]) <= 24, false)
    error_message = "vpc_cidr must be an IPv4 range from /16 to /24 with its host bits zero, such as 10.22.0.0/24."
  }
}

variable "run_retention_days" {
  description = "Days after which cuts of runs are deleted; exported models stay. 0: never."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = var.run_retention_days >= 0 && floor(var.run_retention_days) == var.run_retention_days
    error_message = "run_retention_days must be a whole number, 0 or more."
  }
}

variable "log_retention_days" {
  description = "Days that CloudWatch keeps the logs."
  type        = number
  default     = 14
  nullable    = false

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365], var.log_retention_days)
    error_message = "log_retention_days must be one of CloudWatch's: 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180 or 365."
  }
}

variable "dashboard" {
  description = "Whether to make a dashboard of the training, the tasks, their CPU and memory, and errors. It costs $3 a month beyond the account's first three."
  type        = bool
  default     = false
  nullable    = false
}

# --- Set by deploy.sh -----------------------------------------------------------------------------

variable "region" {
  description = "AWS region of the stack."
  type        = string
  default     = "us-east-1"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]{2,4}(-[a-z]+){1,2}-[0-9]+$", var.region))
    error_message = "region must be a region's code, such as us-east-1 or eu-central-1."
  }
}

variable "name" {
  description = "Prefix of every name in the stack, and its Stack tag. Two stacks in one account need two names."
  type        = string
  default     = "parameter-server"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z](-?[a-z0-9]){1,23}$", var.name)) && length(var.name) <= 24 && !startswith(var.name, "sg-")
    error_message = "name must be 2 to 24 lower-case letters, digits and single hyphens, start with a letter (not with sg-) and end with a letter or digit."
  }
}

variable "image_tag" {
  description = "Tag of the image, set by the deploy script to a hash of its content. No default: a task can only run an image that was pushed."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$", var.image_tag)) && var.image_tag != "latest"
    error_message = "image_tag must be a valid image tag, and not latest: the repository's tags are immutable."
  }
}

variable "image_digests" {
  description = "Digest of the pushed image by role (parameter-server), set by the deploy script. With it servers and workers run that image, whatever image_tag says."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for role, digest in var.image_digests : role == "parameter-server" && can(regex("^sha256:[0-9a-f]{64}$", digest))])
    error_message = "image_digests must be digests by role: parameter-server, and sha256: with 64 hexadecimal digits."
  }
}

variable "architecture" {
  description = "CPU architecture of the image and the tasks: X86_64, or ARM64 (about 20 % cheaper)."
  type        = string
  default     = "X86_64"
  nullable    = false

  validation {
    condition     = contains(["X86_64", "ARM64"], var.architecture)
    error_message = "architecture must be X86_64 or ARM64."
  }
}

variable "allowed_cidrs" {
  description = "IPv4 ranges outside the VPC that may call the servers, usually your address as a /32. Every call must also be signed."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for cidr in var.allowed_cidrs : can(cidrnetmask(cidr)) && try(cidrsubnet(cidr, 0, 0), "") == cidr])
    error_message = "allowed_cidrs must be IPv4 ranges with their host bits zero, such as 203.0.113.7/32."
  }
}

variable "existing_role_name" {
  description = "Name of an existing IAM role for all tasks, such as LabRole in AWS Academy. Then no role is created, and the tasks have all permissions of that role. Null: one least-privilege role for each service and one to start tasks. The role must be allowed to use Cloud Map: workers find the servers by name."
  type        = string
  default     = null

  validation {
    condition     = var.existing_role_name == null || can(regex("^[A-Za-z0-9+=,.@_-]{1,64}$", var.existing_role_name))
    error_message = "existing_role_name must be a role's name, not its ARN and not empty (null creates roles)."
  }
}

variable "extra_environment" {
  description = "Additional environment variables of every container; they override the stack's. Every user who may describe a task definition can read them, so no secrets."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for key in keys(var.extra_environment) : can(regex("^[A-Za-z_][A-Za-z0-9_]*$", key))])
    error_message = "extra_environment's keys must be names of environment variables."
  }

  # ECS refuses a name that is both a variable and a secret, but only on registration.
  validation {
    condition     = !contains(keys(var.extra_environment), "PS_SIGNING_KEY")
    error_message = "extra_environment may not set PS_SIGNING_KEY: it comes from the stack's parameter."
  }
}
