# --- The stack ------------------------------------------------------------------------------------

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
  default     = "serving"
  nullable    = false

  # It is part of the names of the bucket, the security groups (never "sg-") and the repositories.
  validation {
    condition     = can(regex("^[a-z](-?[a-z0-9]){1,23}$", var.name)) && length(var.name) <= 24 && !startswith(var.name, "sg-")
    error_message = "name must be 2 to 24 lower-case letters, digits and single hyphens, start with a letter (not with sg-) and end with a letter or digit."
  }
}

# --- The model ------------------------------------------------------------------------------------

variable "model_name" {
  description = "Name of the model in the bucket (models/NAME/VERSION/) and in the paths of requests."
  type        = string
  default     = "digits"
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9]([A-Za-z0-9._-]{0,62}[A-Za-z0-9])?$", var.model_name))
    error_message = "model_name must be letters, digits and . _ - between them, at most 64."
  }
}

variable "model_version" {
  description = "Version of the model to serve; a change rolls over to it, task by task, and goes back if it cannot be loaded. Null: none yet, and no model task."
  type        = string
  default     = null

  validation {
    condition     = var.model_version == null || can(regex("^[A-Za-z0-9]([A-Za-z0-9._-]{0,62}[A-Za-z0-9])?$", var.model_version))
    error_message = "model_version must be letters, digits and . _ - between them, at most 64 (null: none yet)."
  }
}

variable "canary_version" {
  description = "Another version of the model beside it, which answers canary_percent of the requests, or with shadow gets copies of them. Null: none."
  type        = string
  default     = null

  validation {
    condition     = var.canary_version == null || can(regex("^[A-Za-z0-9]([A-Za-z0-9._-]{0,62}[A-Za-z0-9])?$", var.canary_version))
    error_message = "canary_version must be letters, digits and . _ - between them, at most 64 (null: none)."
  }

  validation {
    condition     = var.canary_version == null || var.model_version != null
    error_message = "canary_version needs model_version: a canary is compared with a version that is served."
  }
}

variable "canary_percent" {
  description = "Percentage of the requests that the canary answers, or gets copies of."
  type        = number
  default     = 10
  nullable    = false

  validation {
    condition     = var.canary_percent >= 0 && var.canary_percent <= 100
    error_message = "canary_percent must be 0 to 100."
  }
}

variable "shadow" {
  description = "Whether the canary's answers are dropped: it gets copies, and callers never see it."
  type        = bool
  default     = false
  nullable    = false
}

# --- Number and size ------------------------------------------------------------------------------

variable "router_count" {
  description = "Number of router tasks. Above 1, each chooses by two random containers, so that they do not all choose the same."
  type        = number
  default     = 1
  nullable    = false

  validation {
    condition     = var.router_count >= 0 && floor(var.router_count) == var.router_count
    error_message = "router_count must be a whole number, 0 or more."
  }
}

variable "router_cpu" {
  description = "CPU of a router task in CPU units (1024 = 1 vCPU). It uses one thread."
  type        = number
  default     = 512
  nullable    = false
}

variable "router_memory" {
  description = "Memory of a router task in MiB, of Fargate's sizes for its CPU."
  type        = number
  default     = 1024
  nullable    = false
}

variable "model_count" {
  description = "Number of model tasks."
  type        = number
  default     = 2
  nullable    = false

  validation {
    condition     = var.model_count >= 0 && floor(var.model_count) == var.model_count
    error_message = "model_count must be a whole number, 0 or more."
  }
}

variable "containers_per_task" {
  description = "Containers in a model task. Each loads the model and uses one thread, so one for each vCPU is enough; they share the task's memory."
  type        = number
  default     = 2
  nullable    = false

  validation {
    condition     = var.containers_per_task >= 1 && var.containers_per_task <= 10 && floor(var.containers_per_task) == var.containers_per_task
    error_message = "containers_per_task must be a whole number from 1 to 10, as many as ECS puts into a task."
  }
}

variable "model_cpu" {
  description = "CPU of a model task in CPU units, shared by its containers."
  type        = number
  default     = 512
  nullable    = false
}

variable "model_memory" {
  description = "Memory of a model task in MiB, shared by its containers."
  type        = number
  default     = 1024
  nullable    = false
}

variable "canary_count" {
  description = "Number of canary tasks, if there is a canary_version."
  type        = number
  default     = 1
  nullable    = false

  validation {
    condition     = var.canary_count >= 0 && floor(var.canary_count) == var.canary_count
    error_message = "canary_count must be a whole number, 0 or more."
  }
}

variable "latency_ms" {
  description = "Milliseconds that a batch should take at most: a container lowers the size of its batches until they do."
  type        = number
  default     = 20
  nullable    = false

  validation {
    condition     = var.latency_ms > 0
    error_message = "latency_ms must be above 0."
  }
}

# --- Images ---------------------------------------------------------------------------------------

variable "image_tag" {
  description = "Tag of the images, set by the deploy script to a hash of their content. No default: a task can only run an image that was pushed."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$", var.image_tag)) && var.image_tag != "latest"
    error_message = "image_tag must be a valid image tag, and not latest: the repositories' tags are immutable."
  }
}

variable "image_digests" {
  description = "Digests of the pushed images by role, set by the deploy script. A service whose role is in it runs the image of that digest, whatever image_tag says."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for role in keys(var.image_digests) : contains(["router", "model"], role)])
    error_message = "image_digests' keys must be roles: router, model."
  }

  validation {
    condition     = alltrue([for digest in values(var.image_digests) : can(regex("^sha256:[0-9a-f]{64}$", digest))])
    error_message = "image_digests' values must be digests: sha256: and 64 hexadecimal digits."
  }
}

variable "architecture" {
  description = "CPU architecture of the images and tasks: X86_64, or ARM64 (about 20 % cheaper)."
  type        = string
  default     = "X86_64"
  nullable    = false

  validation {
    condition     = contains(["X86_64", "ARM64"], var.architecture)
    error_message = "architecture must be X86_64 or ARM64."
  }
}

variable "extra_environment" {
  description = "Additional environment variables of every container; they override the stack's. Every user who may describe a task definition can read them, so no secrets."
  type        = map(string)
  default     = {}
  nullable    = false

  # ECS refuses a name that is both a variable and a secret, but only on registration.
  validation {
    condition     = alltrue([for key in keys(var.extra_environment) : can(regex("^[A-Za-z_][A-Za-z0-9_]*$", key)) && !endswith(key, "_SIGNING_KEY")])
    error_message = "extra_environment's keys must be names of environment variables, and not a signing key: that comes from the stack's parameter."
  }
}

# --- Access ---------------------------------------------------------------------------------------

variable "allowed_cidrs" {
  description = "IPv4 ranges outside the VPC that may call the router, usually your address as a /32. The router asks callers for no token: everyone who reaches it may use the model."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for cidr in var.allowed_cidrs : can(cidrnetmask(cidr)) && try(cidrsubnet(cidr, 0, 0), "") == cidr])
    error_message = "allowed_cidrs must be IPv4 ranges with their host bits zero, such as 203.0.113.7/32."
  }
}

variable "existing_role_name" {
  description = "Name of an existing IAM role for all tasks, such as LabRole in AWS Academy; it must allow servicediscovery:DiscoverInstances. Null: one least-privilege role for each service and one to start tasks."
  type        = string
  default     = null

  validation {
    condition     = var.existing_role_name == null || can(regex("^[A-Za-z0-9+=,.@_-]{1,64}$", var.existing_role_name))
    error_message = "existing_role_name must be a role's name, not its ARN and not empty (null creates roles)."
  }
}

# --- What is seen ---------------------------------------------------------------------------------

variable "metrics" {
  description = "Whether the model containers log their requests, errors, latency and batch sizes each minute in the format from which CloudWatch makes metrics ($0.30 a month each)."
  type        = bool
  default     = false
  nullable    = false
}

variable "alarms" {
  description = "Whether CloudWatch watches for errors of the services, full memory, and tasks that run for 12 hours."
  type        = bool
  default     = false
  nullable    = false
}

variable "log_retention_days" {
  description = "Days that CloudWatch keeps the services' logs."
  type        = number
  default     = 14
  nullable    = false

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "log_retention_days must be one of CloudWatch's values: 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288 or 3653."
  }
}
