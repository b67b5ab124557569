variable "name" {
  description = "Prefix of the names."
  type        = string
}

variable "role" {
  description = "What the service does in its system, in one word. Also the name of its container, its ECS service and its Cloud Map service."
  type        = string

  validation {
    condition     = can(regex("^[a-z](-?[a-z0-9]){0,31}$", var.role))
    error_message = "role must be lower-case letters, digits and single hyphens, at most 32 of them, and start with a letter."
  }
}

variable "system" {
  description = "Name of the system that the stack carries, for descriptions that people read."
  type        = string
}

# --- The task -------------------------------------------------------------------------------------

variable "image" {
  description = "Image to run, with its tag."
  type        = string
}

variable "command" {
  description = "Arguments of the image's entry point. Null: those of the image."
  type        = list(string)
  default     = null
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

variable "environment" {
  description = "Environment variables of each container, beside AWS_REGION and AWS_DEFAULT_REGION, which they override."
  type        = map(string)
  default     = {}
}

variable "secrets" {
  description = "Environment variables of each container whose values come from parameters: name to the parameter's ARN."
  type        = map(string)
  default     = {}
}

variable "containers_per_task" {
  description = "Number of containers in a task, all with the same image. Each has a port of its own: the first has port, the others the numbers after it."
  type        = number
  default     = 1

  validation {
    condition     = var.containers_per_task >= 1 && var.containers_per_task <= 10
    error_message = "containers_per_task must be 1 to 10, as many as ECS puts into a task."
  }
}

variable "port" {
  description = "Port of the first container. Null: nothing calls the service, and Cloud Map does not know it."
  type        = number
  default     = null
}

variable "port_variable" {
  description = "Environment variable that tells a container its port. Null: none."
  type        = string
  default     = null
}

variable "health_check" {
  description = "Command that tells ECS whether a container works. Null: whether it runs is all that counts."
  type = object({
    command        = list(string)
    interval_s     = optional(number, 10)
    timeout_s      = optional(number, 5)
    retries        = optional(number, 3)
    start_period_s = optional(number, 30)
  })
  default = null
}

variable "stop_timeout_s" {
  description = "Seconds that a container has from SIGTERM to its end, at most 120, which is also Spot's notice."
  type        = number
  default     = 30

  validation {
    condition     = var.stop_timeout_s >= 2 && var.stop_timeout_s <= 120
    error_message = "stop_timeout_s must be 2 to 120."
  }
}

variable "scratch_path" {
  description = "Where a container may write: a folder on the task's disk, deleted with the task. Null: nowhere."
  type        = string
  default     = null
}

variable "deployment_percent" {
  description = "Tasks that run at least and at most while a deploy replaces them, in percent of their number. 0 and 100: no two versions run side by side. 100 and 200: calls always find a task."
  type = object({
    minimum = number
    maximum = number
  })
  default = { minimum = 100, maximum = 200 }

  validation {
    condition     = var.deployment_percent.minimum < var.deployment_percent.maximum
    error_message = "deployment_percent: with a minimum that is not below the maximum, no task can be replaced."
  }
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

variable "target_group_arns" {
  description = "Groups of a load balancer in which ECS registers the first container of each task."
  type        = list(string)
  default     = []
}

variable "client" {
  description = "Who calls the service, for the descriptions of its rules."
  type        = string
  default     = "A client"
}

# --- From storage ---------------------------------------------------------------------------------

variable "bucket" {
  description = "Name of the stack's bucket."
  type        = string
}

variable "access" {
  description = "Objects that the code may use: folders of the bucket that it reads and sees, names (with *) that it writes, other buckets that it reads, and the KMS keys with which those are encrypted."
  type = object({
    reads         = optional(list(string), [])
    writes        = optional(list(string), [])
    other_buckets = optional(list(string), [])
    kms_key_arns  = optional(list(string), [])
  })
  default = {}
}

variable "statements" {
  description = "Further statements of the code's policy, beside its access to objects."
  type        = any
  default     = []
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
