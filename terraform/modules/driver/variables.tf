variable "name" {
  description = "Prefix of the names."
  type        = string
}

variable "stack" {
  description = "The stack's outputs as the driver reads them; the container finds them in MAPREDUCE_STACK."
  type        = any
}

# --- The task -------------------------------------------------------------------------------------

variable "image" {
  description = "Image to run, with its tag."
  type        = string
}

variable "architecture" {
  description = "CPU architecture: X86_64 or ARM64."
  type        = string
}

variable "cpu" {
  description = "CPU units of a task."
  type        = number
  default     = 256
}

variable "memory" {
  description = "Memory of a task in MiB."
  type        = number
  default     = 1024
}

variable "extra_environment" {
  description = "Additional environment variables of the container, which override the module's."
  type        = map(string)
  default     = {}
}

variable "log_retention_days" {
  description = "Days that CloudWatch keeps the logs."
  type        = number
}

# --- What it may do -------------------------------------------------------------------------------

variable "statements" {
  description = "Statements of the task role's policy: what a run needs in this stack."
  type        = any
}

variable "extra_input_buckets" {
  description = "Names of additional buckets that the task may list and read."
  type        = list(string)
  default     = []
}

variable "extra_kms_key_arns" {
  description = "Keys with which the task may decrypt additional inputs, through S3 only."
  type        = list(string)
  default     = []
}

# --- From network, storage and registry -----------------------------------------------------------

variable "vpc_id" {
  description = "VPC of the tasks."
  type        = string
}

variable "bucket" {
  description = "Name of the stack's bucket."
  type        = string
}

variable "repository_arn" {
  description = "Repository of the image."
  type        = string
}

# --- From cluster ---------------------------------------------------------------------------------

variable "log_group_prefix" {
  description = "Prefix of the log group."
  type        = string
}

variable "existing_role_arn" {
  description = "Role that starts the tasks and runs in them. Null creates two least-privilege ones."
  type        = string
  default     = null
}

variable "task_assume_role_policy" {
  description = "Trust policy of the roles that the module creates."
  type        = string
}

variable "role_path" {
  description = "Path of the roles that the module creates."
  type        = string
  default     = "/"
}

variable "permissions_boundary_arn" {
  description = "Policy that limits the roles that the module creates. Null: none."
  type        = string
  default     = null
}
