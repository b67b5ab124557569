variable "album_count" {
  description = "Number of tasks. 0 stops the service and its cost."
  type        = number
  default     = 1
  nullable    = false

  validation {
    condition     = var.album_count >= 0 && floor(var.album_count) == var.album_count
    error_message = "album_count must be a whole number, 0 or more."
  }
}

variable "load_balancer" {
  description = "Whether one address serves all tasks. It costs more than a task: by list prices of us-east-1 $0.0225 an hour and $0.005 for each of its two public addresses, so $0.0325 an hour or $23.73 in a month of 730 hours, also while no task runs, and $0.008 an hour for each capacity unit in use."
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
  default     = "albums"
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
  description = "Digest of the pushed image by role (albums), set by the deploy script. With it the service runs that image, whatever image_tag says."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for role, digest in var.image_digests : role == "albums" && can(regex("^sha256:[0-9a-f]{64}$", digest))])
    error_message = "image_digests must be digests by role: albums, and sha256: with 64 hexadecimal digits."
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
  description = "IPv4 ranges outside the VPC that may call the service, usually your address as a /32. Every caller may add albums."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for cidr in var.allowed_cidrs : can(cidrnetmask(cidr)) && try(cidrsubnet(cidr, 0, 0), "") == cidr])
    error_message = "allowed_cidrs must be IPv4 ranges with their host bits zero, such as 203.0.113.7/32."
  }
}

variable "existing_role_name" {
  description = "Name of an existing IAM role for all tasks, such as LabRole in AWS Academy. Then no role is created, and the tasks have all permissions of that role. Null: one least-privilege role for the service and one to start tasks."
  type        = string
  default     = null

  validation {
    condition     = var.existing_role_name == null || can(regex("^[A-Za-z0-9+=,.@_-]{1,64}$", var.existing_role_name))
    error_message = "existing_role_name must be a role's name, not its ARN and not empty (null creates roles)."
  }
}

variable "extra_environment" {
  description = "Additional environment variables of the container; they override the stack's. Every user who may describe a task definition can read them, so no secrets."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for key in keys(var.extra_environment) : can(regex("^[A-Za-z_][A-Za-z0-9_]*$", key))])
    error_message = "extra_environment's keys must be names of environment variables."
  }
}
