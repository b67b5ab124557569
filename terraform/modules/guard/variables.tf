variable "name" {
  description = "Prefix of the names."
  type        = string
}

variable "service_names" {
  description = "The ECS services that the guard stops."
  type        = list(string)
}

variable "idle_stop_minutes" {
  description = "Minutes without a run after which the guard stops the services."
  type        = number
}

variable "desired_count" {
  description = "1 while there are services to watch, else 0."
  type        = number
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

variable "extra_environment" {
  description = "Additional environment variables of the container, which override the module's."
  type        = map(string)
  default     = {}
}

variable "log_retention_days" {
  description = "Days that CloudWatch keeps the logs."
  type        = number
}

# --- From network and storage ---------------------------------------------------------------------

variable "vpc_id" {
  description = "VPC of the task."
  type        = string
}

variable "subnet_ids" {
  description = "Subnets of the task."
  type        = list(string)
}

variable "assign_public_ip" {
  description = "Whether the task gets a public address. Without one, the subnets need another route to AWS's services."
  type        = bool
  default     = true
}

variable "bucket" {
  description = "Name of the stack's bucket, which holds the leases of runs."
  type        = string
}

# --- From cluster ---------------------------------------------------------------------------------

variable "cluster_arn" {
  description = "Cluster to run in."
  type        = string
}

variable "cluster_name" {
  description = "Name of that cluster."
  type        = string
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
