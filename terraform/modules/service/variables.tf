variable "name" {
  description = "Prefix of the names."
  type        = string
}

variable "role" {
  description = "The service's role: splitter, mapper or reducer. Also the name of its container, its ECS service and its Cloud Map service."
  type        = string

  validation {
    condition     = contains(["splitter", "mapper", "reducer"], var.role)
    error_message = "role must be splitter, mapper or reducer."
  }
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

variable "desired_count" {
  description = "Number of tasks."
  type        = number
}

variable "cpu" {
  description = "CPU units of a task (1024 = 1 vCPU)."
  type        = number
}

variable "memory" {
  description = "Memory of a task in MiB, of Fargate's sizes for this cpu (the root module checks it)."
  type        = number
}

variable "ephemeral_storage_gib" {
  description = "Disk of a task in GiB, 20 to 200."
  type        = number
  default     = 20
}

variable "spot_share" {
  description = "Percentage of the tasks on Fargate Spot."
  type        = number
  default     = 0
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

# --- From network ---------------------------------------------------------------------------------

variable "vpc_id" {
  description = "VPC of the tasks."
  type        = string
}

variable "vpc_cidrs" {
  description = "Address ranges of the VPC, from which the service may be called."
  type        = list(string)
}

variable "subnet_ids" {
  description = "Subnets of the tasks."
  type        = list(string)
}

variable "assign_public_ip" {
  description = "Whether a task gets a public address. Without one, the subnets need another route to AWS's services."
  type        = bool
  default     = true
}

variable "allowed_cidrs" {
  description = "IPv4 ranges outside the VPC that may call the service."
  type        = list(string)
  default     = []
}

# --- From storage and signing_key -----------------------------------------------------------------

variable "bucket" {
  description = "Name of the stack's bucket."
  type        = string
}

variable "extra_input_buckets" {
  description = "Names of additional buckets with input."
  type        = list(string)
  default     = []
}

variable "extra_kms_key_arns" {
  description = "KMS keys with which the additional buckets are encrypted."
  type        = list(string)
  default     = []
}

variable "signing_key_arn" {
  description = "Parameter with the driver's signing key."
  type        = string
}

# --- From cluster ---------------------------------------------------------------------------------

variable "cluster_arn" {
  description = "Cluster to run in."
  type        = string
}

variable "service_discovery" {
  description = "Kind of the Cloud Map namespace: api, dns, or none."
  type        = string
  default     = "none"
}

variable "namespace_id" {
  description = "Cloud Map namespace to register in. Null without one."
  type        = string
  default     = null
}

variable "log_group_prefix" {
  description = "Prefix of the log groups that the execution role may write to."
  type        = string
}

variable "execution_role_arn" {
  description = "Role with which ECS starts the task."
  type        = string
}

variable "existing_role_arn" {
  description = "Role for the code in the task. Null creates a least-privilege one."
  type        = string
  default     = null
}

variable "task_assume_role_policy" {
  description = "Trust policy of the role that the module creates."
  type        = string
}

variable "role_path" {
  description = "Path of the role that the module creates."
  type        = string
  default     = "/"
}

variable "permissions_boundary_arn" {
  description = "Policy that limits the role that the module creates. Null: none."
  type        = string
  default     = null
}
