variable "name" {
  description = "Name of the cluster, and prefix of the other names."
  type        = string
}

variable "system" {
  description = "Name of the system that the stack carries, for descriptions that people read."
  type        = string
}

variable "dns_namespace" {
  description = "Name of a dns namespace. Null: NAME.internal."
  type        = string
  default     = null
}

variable "service_discovery" {
  description = "Cloud Map namespace for the tasks: api (no DNS), dns (a private hosted zone), or none."
  type        = string

  validation {
    condition     = contains(["api", "dns", "none"], var.service_discovery)
    error_message = "service_discovery must be api, dns or none."
  }
}

variable "vpc_id" {
  description = "VPC in which the names of a dns namespace resolve."
  type        = string
}

variable "repository_arns" {
  description = "Repositories that tasks may pull from."
  type        = list(string)
}

variable "secrets" {
  description = "Parameters that ECS may put into a container's environment: a name of letters and digits to the ARN."
  type        = map(string)
  default     = {}
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

variable "existing_role_name" {
  description = "Role to use instead of creating any. Null creates them."
  type        = string
  default     = null
}
